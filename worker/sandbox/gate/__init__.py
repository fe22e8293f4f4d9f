"""The stand-in for Gate.io futures."""
