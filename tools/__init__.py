"""Constrained tools on business databases: tool.py declares, read.py stage.py apply.py do what is declared."""
