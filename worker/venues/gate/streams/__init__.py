"""Private streams of Gate: what to open, what to say, what a frame means."""
