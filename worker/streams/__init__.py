"""Following accounts by their venues' private streams: a push is a nudge to read, and what is read is told."""
