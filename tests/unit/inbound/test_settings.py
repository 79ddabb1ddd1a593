"""Every key of a mailbox that the screen has to know reaches it."""

from pathlib import Path

from daemon import config
from daemon.inbound import settings
from daemon.inbound.forms import Form

_TOML = """\
[store]
url = "sqlite:///triaged.db"
[mailbox.sales]
kind = "lmtp"
address = "sales@shop.example"
listen = "127.0.0.1:1"
[mailbox.support]
kind = "lmtp"
address = "Support@shop.example"
aliases = ["help@shop.example"]
listen = "127.0.0.1:2"
trust = ["mx.shop.example"]
results = "below"
dkim = "local"
own_lists = ["team.shop.example"]
[[mailbox.support.form]]
from = "Form@MÜNCHEN.example"
address = '^E-mail: (.+)$'
auto = true
"""


def test_the_screen_of_a_mailbox_is_what_its_table_says(tmp_path: Path) -> None:
    (tmp_path / "triaged.toml").write_text(_TOML)
    screen = settings.of(config.load(tmp_path), "support", mark_key=b"k")
    assert screen.addresses == {"support@shop.example", "help@shop.example"}
    assert screen.own_addresses == {"sales@shop.example", "support@shop.example", "help@shop.example"}
    assert (screen.trust, screen.below, screen.dkim) == (("mx.shop.example",), True, True)
    assert screen.forms == (Form(sender="form@xn--mnchen-3ya.example", address="^E-mail: (.+)$", auto=True),)
    assert (screen.mailbox, screen.own_lists, screen.mark_key) == ("support", ("team.shop.example",), b"k")
    usual = settings.of(config.load(tmp_path), "sales", mark_key=b"k")
    assert (usual.trust, usual.below, usual.dkim, usual.forms) == ((), False, False, ())
