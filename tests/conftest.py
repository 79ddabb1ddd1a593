"""What every test has: the guard that keeps the network out, and the real servers that tests ask for."""

pytest_plugins = [
    "tests.fixtures.network",
    "tests.fixtures.postgres",
    "tests.fixtures.business",
    "tests.fixtures.store",
    "tests.fixtures.dovecot",
    "tests.fixtures.dns_server",
    "tests.fixtures.imap_reader",
    "tests.fixtures.smtp_sink",
    "tests.fixtures.floor",
    "tests.fixtures.messages_api",
    "tests.fixtures.office",
    "tests.fixtures.oauth_server",
]
