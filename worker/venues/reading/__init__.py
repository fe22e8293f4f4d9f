"""Reading what a venue keeps of an account: part by part, page by page, and saying how far that reaches."""
