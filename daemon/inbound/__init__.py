"""Mail coming in: arrival.py is the word, imap.py lmtp.py maildir.py the doors, parse.py authenticate.py loops.py the screen."""
