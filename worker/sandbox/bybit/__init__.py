"""Bybit, V5: linear and inverse contracts of unified and of classic accounts."""
