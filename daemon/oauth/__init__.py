"""OAuth 2.0 (RFC 6749) for mailboxes that take no password: how a person logs in once, and the tokens after that.

Reading order: `provider` (where to ask), `client` (asking), `device` and `browser` (a person logs in), `tokens` (the
file that keeps what was granted), `grant` (the token that a connection logs in with, refreshed when it is due),
`configured` (all of it for a mailbox of triaged.toml).
"""
