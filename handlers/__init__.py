"""Kinds of work: contract.py holds the words, agent.py the loop, catalogue.py reads the folders."""
