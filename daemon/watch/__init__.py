"""Seeing inside: logs, health."""
