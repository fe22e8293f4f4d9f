"""Private streams of Bybit: what to open, what to say, what a frame means."""
