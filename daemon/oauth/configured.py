"""The logins of a configuration: the client, the token file and the grant of each mailbox that has `oauth`."""

from functools import partial

from daemon import config as configuration
from daemon.config import Config
from daemon.oauth import client as clients
from daemon.oauth.client import Client
from daemon.oauth.grant import Grant
from daemon.oauth.provider import provider
from daemon.oauth.tokens import TokenFile, fingerprint
from daemon.store.engine import state_directory


def client(config: Config, mailbox: str) -> Client:
    """Our registration at the provider of a mailbox; asks an OIDC provider for its endpoints.

    Raises:
        Unreachable: the provider can't be reached.
        Permanent: it has no usable discovery document, or the client's secret can't be read.
    """
    oauth = config.mailbox[mailbox].oauth
    assert oauth is not None
    secret = configuration.secret(config, oauth.client_secret_file) if oauth.client_secret_file else None
    return Client(provider=provider(oauth, clients.fetch), id=oauth.client_id, secret=secret)


def token_file(config: Config, mailbox: str) -> TokenFile:
    """Where the tokens of a mailbox are kept."""
    return TokenFile(state_directory(config) / "oauth", mailbox)


def grant(config: Config, mailbox: str) -> Grant:
    """What a mailbox was granted; asks nobody yet."""
    oauth = config.mailbox[mailbox].oauth
    assert oauth is not None
    return Grant(token_file(config, mailbox), client=partial(client, config, mailbox), fingerprint=fingerprint(oauth))


def grants(config: Config) -> dict[str, Grant]:
    """The grant of each mailbox that has `oauth`."""
    return {name: grant(config, name) for name, mailbox in config.mailbox.items() if mailbox.oauth is not None}
