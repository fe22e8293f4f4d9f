"""What admins and operators ask of the service itself: freezes, status, doubts, audit, dead letters."""
