"""Comments, reports, cases and decisions: what a comment system sends, and what moderators do with it.

Functions here take a session and narrow arguments, change the database and return what they made; routes, the
console and the commands are thin layers over them. Who opens a session commits it.
"""
