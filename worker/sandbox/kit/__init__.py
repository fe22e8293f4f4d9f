"""What all stand-in venues are made of."""
