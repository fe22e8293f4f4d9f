"""The console in a browser: a page, its style and its modules, and whom its token speaks for."""
