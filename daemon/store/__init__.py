"""What triaged keeps: engine.py opens it, tables.py names it, seal.py closes it, the others read and write it."""
