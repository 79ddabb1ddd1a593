"""What `triaged init` writes. Read reference.py first: it says in words what daemon/config.py declares."""
