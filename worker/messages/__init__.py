"""Messages as they stand between the bus and execution."""
