"""Files of ours: of state, of logs, and those that are looked at for changes."""
