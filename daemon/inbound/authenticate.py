"""Decides what is known of who sent a mail, from the Authentication-Results of a server that we trust (RFC 8601)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from daemon.inbound.address import alabels, domain_of
from daemon.inbound.mime import Field, uncomment
from handlers.contract import Verdict

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

_LMTP = frozenset({"lmtp", "lmtps", "lmtpa", "lmtpsa", "utf8lmtp", "utf8lmtps", "utf8lmtpa", "utf8lmtpsa"})
"""RFC 3848 and RFC 6531 section 4.3."""
_SMTP = frozenset({"smtp", "smtps", "esmtp", "esmtps", "esmtpa", "esmtpsa"})
_SEPARATOR = re.compile(r'((?:"(?:[^"\\]|\\.)*+"|[^;"])++)', re.DOTALL)
_PAIR = re.compile(
    r'(?<![\w-])([a-z][\w-]*+(?:\s*+[./]\s*+[\w-]++)?)\s*+=\s*+((?:"(?:[^"\\]|\\.)*+"|[^\s;"])++)',
    re.IGNORECASE | re.DOTALL,
)
_LIMIT = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One method's result."""

    method: str
    value: str
    properties: dict[str, str]
    """`header.d` to its value, lower case names."""


def authenticate(
    fields: Sequence[Field], sender: str, trust: Sequence[str], *, below: bool = False
) -> tuple[Verdict, str]:
    """The verdict on a single, well-formed From address, and why in words.

    Alignment is relaxed in a narrower sense than RFC 7489 section 3.1.1: the authenticated domain is the From domain,
    a parent or a subdomain of it, and neither is a public suffix. Two sisters (`a.shop.example` for `b.shop.example`)
    are not aligned unless the server itself says `dmarc=pass`.

    Args:
        fields: the mail's fields from the top.
        sender: normalised address of From.
        trust: authserv-ids whose results we believe.
        below: the trusted server writes its results below its own Received field, as Gmail does.
    """
    believed = {name.lower() for name in trust}
    if not believed:
        return "unverified", "no server is trusted to authenticate: `trust` is empty"
    domain = domain_of(sender)
    if not domain:
        return "unverified", "From holds no usable address"
    found = _below_border(fields, believed) if below else _topmost(fields, believed)
    if found is None:
        where = "right below its own Received" if below else "above the topmost Received"
        return "unverified", f"no Authentication-Results by {', '.join(sorted(believed))} {where}"
    server, results = found
    return _judge(server, results, domain)


def _topmost(fields: Sequence[Field], believed: set[str]) -> tuple[str, list[Result]] | None:
    """The first field by a trusted server that the sender can't have written.

    What stands below the Received field of our border server is the sender's word, whatever it says (RFC 8601
    section 5). Above it stand only our own servers' fields; LMTP hops among them are ours, since nobody speaks LMTP to
    us from outside.
    """
    for field in fields:
        if field.name == "received" and not _by_lmtp(field.value):
            return None
        if field.name == "authentication-results" and (read := results(field.value)) and read[0] in believed:
            return read
    return None


def _below_border(fields: Sequence[Field], believed: set[str]) -> tuple[str, list[Result]] | None:
    """The first field by a trusted server between the Received field of its own border and the next Received.

    The border's Received is the topmost that is no hop inside the house, and its `by` is the authserv-id or a host
    below it, which belongs to the same administrative domain (RFC 8601 section 2.5). A topmost Received by anybody else
    means that the mail did not come in there, and then every field below is the sender's word: also a pair that looks
    like the border's. That no forged field stands between the two is the border's duty, which removes those that
    bear its own name (RFC 8601 section 5).
    """
    border = ""
    for field in fields:
        if field.name == "received":
            if border:
                return None
            if _by_lmtp(field.value) or _handed_on(field.value):
                continue
            border = _host(field.value)
            if not any(_within(border, server) for server in believed):
                return None
        if border and field.name == "authentication-results" and (read := results(field.value)):
            server, _ = read
            if server in believed and _within(border, server):
                return read
    return None


def _said(received: str, word: str) -> list[str]:
    """What follows a word of a Received field (RFC 5321 section 4.4), wherever it stands, in lower case.

    HELO and the recipient are the sender's words, brackets and quotation marks too: so what looks like a comment counts
    as well. They can add a clause then, and hide none of the server's own.
    """
    return re.findall(rf"(?<![\w.-]){word}\s+([^\s;()<>\"]+)", received[:_LIMIT].lower())


def _protocols(received: str) -> set[str]:
    """The protocols of a hop, without those of TLS: `(using TLSv1.3 with cipher …)`."""
    return set(_said(received, "with")) - {"cipher"}


def _by_lmtp(received: str) -> bool:
    """Whether a Received field tells of a hop by LMTP, and of nothing else."""
    protocols = _protocols(received)
    return bool(protocols) and protocols <= _LMTP


def _handed_on(received: str) -> bool:
    """Whether a server handed the mail on to itself, as Gmail's do: a hop from outside begins with its From clause."""
    protocols = _protocols(received)
    return received[:3].lower() == "by " and bool(protocols) and protocols <= _SMTP


def _host(received: str) -> str:
    """The host that wrote a Received field; empty when it names none, or several."""
    hosts = {host.rstrip(".") for host in _said(received, "by")}
    return hosts.pop() if len(hosts) == 1 else ""


def _within(host: str, server: str) -> bool:
    return host == server or host.endswith("." + server)


def results(value: str) -> tuple[str, list[Result]] | None:
    """The authserv-id and results of an Authentication-Results field; None for any other (RFC 8601 section 2.2)."""
    if len(value) > _LIMIT:
        return None
    pieces = [piece.strip() for piece in _SEPARATOR.findall(uncomment(value))]
    identity = pieces[0].split() if pieces else []
    if not identity or "=" in pieces[0]:
        return None
    found = []
    for piece in pieces[1:]:
        pairs = _PAIR.findall(piece)
        if not pairs:
            continue
        (method, outcome), *rest = pairs
        properties: dict[str, str] = {}
        for name, text in rest:
            properties.setdefault("".join(name.lower().split()), _unquote(text))
        found.append(
            Result(
                method=method.partition("/")[0].strip().lower(), value=_unquote(outcome).lower(), properties=properties
            )
        )
    return _unquote(identity[0]).lower(), found


def _unquote(text: str) -> str:
    """A value without quotes; one that is quoted only in part (`"a;b"@c`) is left as it is and will match nothing."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def _judge(server: str, found: list[Result], domain: str) -> tuple[Verdict, str]:
    dmarc = [result for result in found if result.method == "dmarc"]
    if any(result.value == "fail" for result in dmarc):
        return "failed", f"dmarc=fail by {server}"
    if dmarc and all(
        result.value == "pass" and _domain(result.properties.get("header.from", domain)) == domain for result in dmarc
    ):
        return "verified", f"dmarc=pass by {server}"
    for result in found:
        if result.value != "pass" or result.method not in {"dkim", "spf"}:
            continue
        named = _named(result)
        if named and aligned(named, domain):
            return "verified", f"{result.method}=pass for {named} by {server}"
    told = ", ".join(f"{result.method}={result.value}"[:40] for result in found[:5]) or "nothing"
    return "unverified", f"{server} says {told}: no aligned pass for {domain}"


def _named(result: Result) -> str:
    """The domain that a passing method speaks for; empty when it names none."""
    if result.method == "dkim":
        return _domain(result.properties.get("header.d") or result.properties.get("header.i", ""))
    return _domain(result.properties.get("smtp.mailfrom", ""))  # HELO alone identifies a host, not a sender


def _domain(value: str) -> str:
    try:
        return alabels(value.rpartition("@")[2].rstrip("."))
    except ValueError:
        return ""


def aligned(authenticated: str, domain: str) -> bool:
    """Whether one of the two domains is, or is above, the other; a public suffix is above nothing.

    Below a public suffix (`com`, `co.uk`, `github.io`) everybody may have a domain: publicsuffix.org.
    """
    if "." not in authenticated or "." not in domain:
        return False
    if authenticated == domain:
        return True
    upper, lower = sorted((authenticated, domain), key=len)
    return lower.endswith("." + upper) and not _public_suffixes().is_public(upper)


@cache
def _public_suffixes() -> "PublicSuffixList":
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()
