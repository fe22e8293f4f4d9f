"""What the command line shows to people and programs."""
