"""Mail coming in: arrival.py is the word; imap.py, lmtp.py, maildir.py the doors; screen.py judges mail."""
