"""The reader's side: the script that lets readers report, a demo newspaper, and import of saved pages."""
