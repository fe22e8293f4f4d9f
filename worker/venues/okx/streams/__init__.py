"""Private streams of OKX: what to open, what to say, what a frame means."""
