"""What `triaged check` says about logging in with OAuth."""

from pathlib import Path

import pytest

from daemon import config
from daemon.config import Config
from tools.located import Faults

WHOLE = """\
[store]
url = "sqlite:///state/triaged.db"

[mailbox.support]
kind = "imap"
address = "support@shop.example"
host = "outlook.office365.com"
user = "support@shop.example"

[mailbox.support.oauth]
provider = "microsoft"
client_id = "6f1d2c1e"
tenant = "0b9f7d3a-1111-2222-3333-444455556666"

[smtp]
host = "smtp.office365.com"
oauth = "support"
"""


def _load(directory: Path, text: str) -> Config:
    (directory / config.FILE).write_text(text)
    return config.load(directory)


def _told(directory: Path, text: str) -> str:
    with pytest.raises(Faults) as raised:
        _load(directory, text)
    return str(raised.value).replace(f"{directory}/", "")


def test_a_login_with_oauth_needs_no_password(tmp_path: Path) -> None:
    read = _load(tmp_path, WHOLE)
    assert read.mailbox["support"].oauth is not None
    assert read.smtp.oauth == "support"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'provider = "microsoft"',
            'provider = "oidc"',
            'triaged.toml:10: `mailbox.support.oauth`: provider = "oidc" needs `issuer`.',
        ),
        (
            'tenant = "0b9f7d3a-1111-2222-3333-444455556666"',
            'issuer = "https://login.shop.example"',
            'triaged.toml:10: `mailbox.support.oauth`: `issuer` is for provider = "oidc"; "microsoft" has a known one.',
        ),
        (
            'provider = "microsoft"',
            'provider = "google"',
            'triaged.toml:10: `mailbox.support.oauth`: `tenant` is for provider = "microsoft". Take it out.',
        ),
        ('client_id = "6f1d2c1e"', 'client_id = ""', "triaged.toml:12: `mailbox.support.oauth.client_id`"),
        ('"0b9f7d3a-1111-2222-3333-444455556666"', '"../x"', "triaged.toml:13: `mailbox.support.oauth.tenant`"),
        (
            'client_id = "6f1d2c1e"',
            'client_id = "6f1d2c1e"\nclient_secret_file = "client-secret"',
            "triaged.toml:13: The secret client-secret can't be read: No such file or directory.",
        ),
        (
            'user = "support@shop.example"',
            'user = "support@shop.example"\npassword_file = "imap-password"',
            "triaged.toml:4: `mailbox.support`: a mailbox logs in with `oauth` or with `password_file`. Take one of",
        ),
        (
            'oauth = "support"',
            'oauth = "suport"',
            "triaged.toml:17: Unknown mailbox `suport`. Did you mean `support`?",
        ),
        (
            'oauth = "support"',
            'oauth = "support"\npassword_file = "smtp-password"',
            "triaged.toml:15: `smtp`: replies leave with `oauth` or with `password_file`. Take one of them out.",
        ),
    ],
)
def test_a_fault_is_told_with_its_line_and_what_to_do(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in WHOLE
    assert told in _told(tmp_path, WHOLE.replace(old, new))


def test_smtp_with_the_oauth_of_a_mailbox_that_has_none_is_a_fault(tmp_path: Path) -> None:
    other = '[mailbox.forms]\nkind = "lmtp"\naddress = "forms@shop.example"\nlisten = "127.0.0.1:2424"\n\n[smtp]'
    text = WHOLE.replace("[smtp]", other).replace('oauth = "support"', 'oauth = "forms"')
    assert "triaged.toml:22: `smtp.oauth`: the mailbox `forms` has no `[mailbox.forms.oauth]`." in _told(tmp_path, text)


def test_smtp_with_oauth_and_without_any_login_name_is_a_fault(tmp_path: Path) -> None:
    text = WHOLE.replace('kind = "imap"', 'kind = "lmtp"\nlisten = "127.0.0.1:2424"').replace("user =", "#user =")
    assert "`smtp.oauth` needs a login name" in _told(tmp_path, text)
    _load(tmp_path, text + 'user = "support@shop.example"\n')


@pytest.mark.parametrize(
    "issuer", ["http://login.shop.example", "login.shop.example", "https://x.example/?a=1", "file:///etc/passwd"]
)
def test_an_issuer_that_is_neither_https_nor_on_loopback_is_a_fault(tmp_path: Path, issuer: str) -> None:
    text = WHOLE.replace('"microsoft"', '"oidc"').replace("tenant =", f'issuer = "{issuer}"\n#')
    assert "triaged.toml:13: `mailbox.support.oauth.issuer`: " in _told(tmp_path, text)


@pytest.mark.parametrize("issuer", ["https://login.shop.example/realms/mail", "http://127.0.0.1:8080"])
def test_an_issuer_on_https_or_loopback_is_accepted(tmp_path: Path, issuer: str) -> None:
    text = WHOLE.replace('"microsoft"', '"oidc"').replace("tenant =", f'issuer = "{issuer}"\n#')
    oauth = _load(tmp_path, text).mailbox["support"].oauth
    assert oauth is not None
    assert oauth.issuer == issuer
