"""Keys of signatures from a real DNS server, and a mail that is verified with them."""

import dns.rcode
import pytest

from daemon.inbound.arrival import Arrival
from daemon.inbound.dkim import KeyRecord
from daemon.inbound.resolver import KeyResolver
from daemon.inbound.screening import Screening
from tests.fixtures.dns_server import SILENT, DnsServer
from tests.fixtures.signed import record, sign
from tests.unit.inbound.mail import NOW, mail
from tests.unit.inbound.test_dkim import LOCAL, NAME


def resolver(server: DnsServer, *, seconds: float = 5) -> KeyResolver:
    return KeyResolver(servers=["127.0.0.1"], port=server.port, seconds=seconds)


async def test_the_strings_of_a_record_are_joined_and_each_name_is_asked_for_once(dns_server: DnsServer) -> None:
    dns_server.texts = {"a.example": [b"x" * 600], "b.example": [b"short"]}
    keys = resolver(dns_server)
    first = await keys.look_up(["a.example", "b.example", "a.example"])
    assert first == {"a.example": KeyRecord(text=b"x" * 600), "b.example": KeyRecord(text=b"short")}
    await keys.look_up(["a.example"])
    assert sorted(dns_server.asked) == ["a.example", "b.example"], "what is known is not asked for again"


async def test_no_record_is_an_answer_and_a_failure_is_none(dns_server: DnsServer) -> None:
    dns_server.texts = {"empty.example": [], "two.example": [b"one", b"two"]}
    dns_server.faults = {"broken.example": dns.rcode.SERVFAIL, "silent.example": SILENT}
    found = await resolver(dns_server).look_up(
        ["gone.example", "empty.example", "two.example", "broken.example", f"{'x' * 70}.example"]
    )
    assert found["gone.example"] == found["empty.example"] == KeyRecord()
    assert "2 records" in found["two.example"].problem
    assert found["broken.example"].problem == "NoNameservers: the DNS did not answer for broken.example"
    assert found[f"{'x' * 70}.example"].problem
    silent = await resolver(dns_server, seconds=0.2).look_up(["silent.example"])
    assert silent["silent.example"].problem == "LifetimeTimeout: the DNS did not answer for silent.example"


async def test_without_any_server_nobody_is_verified_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dns.resolver.BaseResolver.read_resolv_conf", _no_configuration)
    assert "NoResolverConfiguration" in (await KeyResolver().look_up(["a.example"]))["a.example"].problem


def _no_configuration(*_: object) -> None:
    import dns.resolver

    raise dns.resolver.NoResolverConfiguration


async def test_a_mail_is_verified_with_the_key_that_its_domain_publishes(dns_server: DnsServer) -> None:
    dns_server.texts = {NAME: [record().text]}
    screening = Screening(keys=resolver(dns_server), processes=1)
    try:
        signed = Arrival(mailbox="support", raw=sign(mail()), received_at=NOW)
        screened = await screening.screen(signed, LOCAL, "m1")
        assert screened.message.sender.verdict == "verified"
        dns_server.faults = {"s1._domainkey.mail.example.com": dns.rcode.SERVFAIL}
        unknown = Arrival(mailbox="support", raw=sign(mail(), "mail.example.com"), received_at=NOW)
        screened = await screening.screen(unknown, LOCAL, "m2")
        assert screened.message.sender.verdict == "unverified"
        assert "NoNameservers" in screened.message.sender.detail
        assert screened.message.text == "Where is my order 1042?"
    finally:
        screening.close()
