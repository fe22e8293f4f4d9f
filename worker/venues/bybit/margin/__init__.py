"""How near a Bybit account is to liquidation, and margin that is moved."""
