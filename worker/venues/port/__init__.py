"""What a venue is to the rest of the program: an adapter, its capabilities, its errors."""
