"""Where the parts become programs: the command line, a worker, everything together."""
