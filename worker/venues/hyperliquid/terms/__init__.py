"""The terms that Hyperliquid lets an account trade at: leverage, margin mode, position mode, tiers."""
