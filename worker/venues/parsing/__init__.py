"""From a venue's raw answers to markets, positions and records."""
