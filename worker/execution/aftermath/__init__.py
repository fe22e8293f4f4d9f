"""What execution does beside the commands that come in: publishing, recovery, doubts, epochs."""
