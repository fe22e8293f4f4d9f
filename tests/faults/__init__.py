"""What breaks in practice, broken on purpose, against the real broker and the sandbox venues; each test counts."""
