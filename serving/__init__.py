"""Model artifact -> scores -> decisions: scorer, HTTP API and command line."""
