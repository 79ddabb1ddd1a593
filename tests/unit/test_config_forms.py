"""What `triaged check` says about contact forms and about whom a mailbox believes."""

from pathlib import Path

import pytest

from daemon import config
from daemon.config import Config
from tools.located import Faults

WHOLE = """\
[store]
url = "sqlite:///state/triaged.db"

[mailbox.support]
kind = "lmtp"
address = "support@shop.example"
aliases = ["Sales@shop.example"]
listen = "127.0.0.1:2424"
trust = ["mx.shop.example"]

[[mailbox.support.form]]
from = "forms@web.example"
address = '^Email: (\\S+)$'
text = '(?s)Message:\\n(.*)'
"""


def _load(directory: Path, text: str) -> Config:
    (directory / config.FILE).write_text(text)
    return config.load(directory)


def _told(directory: Path, text: str) -> str:
    with pytest.raises(Faults) as raised:
        _load(directory, text)
    return str(raised.value).replace(f"{directory}/", "")


def test_a_form_waits_for_a_person_unless_the_operator_says_otherwise(tmp_path: Path) -> None:
    (form,) = _load(tmp_path, WHOLE).mailbox["support"].form
    assert (form.sender, form.auto) == ("forms@web.example", False)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("(\\S+)$", "(\\S+$", "triaged.toml:13: `mailbox.support.form.0.address`: this is not a regular expression"),
        ("(\\S+)$", "\\S+$", "triaged.toml:13: `mailbox.support.form.0.address`: the expression has 0 groups"),
        ("(\\S+)$", "(\\S+)@(\\S+)$", "triaged.toml:13: `mailbox.support.form.0.address`: the expression has 2 groups"),
        ("(.*)'", "(.*)|(x)'", "triaged.toml:14: `mailbox.support.form.0.text`: the expression has 2 groups"),
        ("forms@web.example", "the form", "triaged.toml:12: `mailbox.support.form.0.from`: 'the form' is not a mail"),
        ("forms@web.example", "support@shop.example", "triaged.toml:12: `from`: support@shop.example is an address of"),
        (
            "forms@web.example",
            "SALES@shop.example",
            "triaged.toml:12: `from`: SALES@shop.example is an address of ours",
        ),
        (
            'kind = "lmtp"',
            'kind = "smtp"',
            'triaged.toml:9: `mailbox.support.trust`: kind = "smtp" is the border itself',
        ),
    ],
)
def test_what_could_not_work_is_told_with_its_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert _told(tmp_path, WHOLE.replace(old, new)).startswith(told)


def test_a_mailbox_that_is_the_border_itself_may_verify_signatures(tmp_path: Path) -> None:
    text = WHOLE.replace('kind = "lmtp"', 'kind = "smtp"').replace('trust = ["mx.shop.example"]', 'dkim = "local"')
    assert _load(tmp_path, text).mailbox["support"].dkim == "local"
