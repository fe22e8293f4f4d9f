"""Private streams of Binance: what to open, what to say, what a frame means."""
