"""The venues that a set of accounts needs: made, loaded, watched over."""
