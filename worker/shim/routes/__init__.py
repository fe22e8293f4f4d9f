"""What the shim answers, route by route."""
