"""The terms that OKX lets an account trade at: leverage, margin mode, position mode, tiers."""
