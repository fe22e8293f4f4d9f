"""The terms that Binance lets an account trade at: leverage, margin mode, position mode, tiers."""
