"""What triaged keeps: engine.py opens it, tables.py names it, seal.py closes it, the other modules read and write it."""
