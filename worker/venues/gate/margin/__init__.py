"""How near a Gate account is to liquidation, and margin that is moved."""
