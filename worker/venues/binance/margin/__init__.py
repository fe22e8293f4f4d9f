"""How near a Binance account is to liquidation, and margin that is moved."""
