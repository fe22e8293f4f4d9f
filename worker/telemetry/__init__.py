"""What every part of the program tells of itself: metrics, traces, and where the time of a command goes."""
