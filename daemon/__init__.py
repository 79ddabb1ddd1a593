"""The daemon: read pipeline.py first, then main.py, then the room you need."""
