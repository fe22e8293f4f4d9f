"""What three clients say of a change, against what is really in force."""
