"""Measurements; each prints what it found. Run as scripts from the checkout."""
