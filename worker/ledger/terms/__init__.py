"""Terms as documents: those that are kept, and those that are being applied."""
