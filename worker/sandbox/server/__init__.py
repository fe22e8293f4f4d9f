"""Serving a stand-in venue: requests, limits, faults that can be scripted, a journal."""
