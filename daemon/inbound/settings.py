"""What the screen has to know of a mailbox, taken from the configuration."""

from daemon.config import Config
from daemon.inbound import address
from daemon.inbound.forms import Form
from daemon.inbound.screen import ScreenConfig


def of(config: Config, name: str, *, mark_key: bytes) -> ScreenConfig:
    """The screen of the mailbox `name`.

    Args:
        config: the whole configuration.
        name: of a mailbox in it.
        mark_key: recognises our own mail; empty: it is not recognised.
    """
    mailbox = config.mailbox[name]
    return ScreenConfig(
        mailbox=name,
        addresses=mailbox.addresses,
        own_addresses=config.own_addresses,
        trust=mailbox.trust,
        below=mailbox.results == "below",
        dkim=mailbox.dkim == "local",
        forms=tuple(
            Form(
                sender=address.normalise(form.sender) or form.sender.lower(),
                address=form.address,
                text=form.text,
                auto=form.auto,
            )
            for form in mailbox.form
        ),
        own_lists=mailbox.own_lists,
        mark_key=mark_key,
    )
