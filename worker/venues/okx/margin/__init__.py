"""How near a OKX account is to liquidation, and margin that is moved."""
