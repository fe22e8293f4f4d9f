"""The terms that Gate lets an account trade at: leverage, margin mode, position mode, tiers."""
