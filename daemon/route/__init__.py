"""Rules that decide who handles a mail."""
