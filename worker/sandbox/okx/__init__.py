"""The stand-in for OKX (API v5)."""
