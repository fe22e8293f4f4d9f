"""Hyperliquid: questions to /info, signed actions to /exchange, for the main dex and two builder-deployed ones."""
