"""The events on a terminal: which are shown, and how each reads."""
