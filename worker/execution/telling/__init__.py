"""What is told of a command: its answer, its result, and the events that wait to be published."""
