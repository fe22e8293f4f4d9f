"""How near a Hyperliquid account is to liquidation, and margin that is moved."""
