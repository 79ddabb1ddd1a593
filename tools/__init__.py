"""Constrained tools on business databases: tool.py is the declaration, read.py stage.py apply.py what is done with it."""
