"""The moderators' console: pages under /console/, rendered here, that work without a script and by keyboard alone.

A module a page, a template a page. Each module has a `desk`, on which it declares its routes with the role that each
needs; desk.py sees to the login, the role and the form's token before the page's function is called. To add a page:
a module with a `desk`, a template that extends base.html, and a line in pages.py, in the order of the navigation.
"""
