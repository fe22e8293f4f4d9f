"""The commands of whoever answers for positions: what is held, under which settings, and what it has brought."""
