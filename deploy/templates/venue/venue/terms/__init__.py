"""The terms that Newvenue lets an account trade at: leverage, margin mode, and what else it has."""
