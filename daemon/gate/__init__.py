"""Objective checks that decide whether a reply leaves by itself: decide.py, then checks.py, verdict.py holds the closed lists."""
