"""The terms that Bybit lets an account trade at: leverage, margin mode, position mode, tiers."""
