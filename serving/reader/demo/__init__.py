"""A newspaper's comment system, made up, small and real: the publisher's half of the loop, for `serve --demo`.

It keeps its own comments and what is visible of them, and knows evenhand only as a publisher's system would: by its
HTTP API and its signed webhooks.
"""
