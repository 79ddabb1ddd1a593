"""Tries everything that the daemon needs, live: read finding.py, then examine.py, which asks the other modules."""
