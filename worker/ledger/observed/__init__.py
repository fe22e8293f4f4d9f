"""What was seen of accounts, what is owed of it, and who follows which."""
