"""Private streams of Hyperliquid: what to open, what to say, what a frame means."""
