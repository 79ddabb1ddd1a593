"""Measurements: each module is a command that prints numbers and the floor measured beside them in the same run."""
