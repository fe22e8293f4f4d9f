"""Looking after a running service from the command line."""
