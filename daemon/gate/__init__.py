"""Objective checks that decide whether a reply leaves by itself: decide.py, checks.py; verdict.py has the reasons."""
