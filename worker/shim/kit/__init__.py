"""What every part of the shim shares: the bus it asks, the envelope it answers in, the trace."""
