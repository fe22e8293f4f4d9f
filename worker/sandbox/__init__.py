"""Stand-in venues that speak the real wire protocols, so that everything runs without a key."""
