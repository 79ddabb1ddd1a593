"""Verifies a mail's DKIM signatures with keys that were looked up before (RFC 6376, RFC 8301, RFC 8463)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from daemon.inbound.address import domain_of
from daemon.inbound.authenticate import aligned
from daemon.inbound.mime import Field
from handlers.contract import Verdict

SIGNATURES = 5
"""Aligned signatures that are looked at; who signs more often gains nothing by it (RFC 6376 section 8.4)."""
_MINIMUM = 1024
"""Bits of an RSA key (RFC 8301 section 3.2)."""
_LONGEST_RECORD = 1000
"""Octets: room for RSA with 4096 bits, which RFC 8301 section 3.2 asks for; longer keys take long to compute with."""
_ALGORITHMS = frozenset({"rsa-sha256", "ed25519-sha256"})
"""rsa-sha1 proves nothing any more (RFC 8301 section 3.1)."""
_SIGNED = ("from", "subject", "date")
"""Fields that a signature must cover where the mail has them: else a signed mail is sent again with others."""
_TAG = re.compile(r"\s*([A-Za-z]\w*)\s*=\s*(.*?)\s*", re.DOTALL)
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,200}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """What the DNS said of a key."""

    text: bytes = b""
    """The TXT record's strings, joined; empty when there is none."""
    problem: str = ""
    """Why nobody knows, in words; empty: the DNS answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A DKIM-Signature field that could speak for the sender."""

    index: int
    """Its place among the DKIM-Signature fields, from the top."""
    domain: str
    selector: str
    identity: str
    """Domain of `i=`, in lower case; that of `d=` where there is none."""
    fault: str = ""
    """Why it is not believed whatever its key is; empty: the key decides."""

    @property
    def name(self) -> str:
        """Where its key stands in the DNS (RFC 6376 section 3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


def signatures(fields: Sequence[Field], sender: str, received_at: datetime) -> tuple[Signature, ...]:
    """The signatures of domains that are aligned with the sender's; of others nobody needs the key."""
    present = {field.name for field in fields}
    raw = [field.value for field in fields if field.name == "dkim-signature"]
    found = (_signature(index, value, present, received_at) for index, value in enumerate(raw))
    domain = domain_of(sender)
    return tuple(each for each in found if each is not None and aligned(each.domain, domain))[:SIGNATURES]


def wanted(found: Sequence[Signature]) -> tuple[str, ...]:
    """The names to look up, each once."""
    return tuple(dict.fromkeys(each.name for each in found if not each.fault))


def verify(raw: bytes, found: Sequence[Signature], records: Mapping[str, KeyRecord]) -> tuple[Verdict, str]:
    """`verified` by the first aligned signature that is valid, else `unverified`; and why in words.

    Never `failed`: a broken signature is no forgery (RFC 6376 section 6.1), and a domain's DMARC policy is not asked
    for, since it speaks of mail that has neither an aligned signature nor an aligned SPF pass (RFC 7489 section
    6.6.2), and SPF can't be checked here: the address of the client is not known.
    """
    if not found:
        return "unverified", "no signature of the sender's domain"
    told: list[str] = []
    for each in found:
        problem = each.fault or _problem(raw, each, records.get(each.name, KeyRecord(problem="it was not asked for")))
        if not problem:
            return "verified", f"DKIM signature of {each.domain}, verified here"
        told.append(f"{each.domain}: {problem}")
    return "unverified", f"DKIM: {'; '.join(told)}"


def _signature(index: int, value: str, present: set[str], received_at: datetime) -> Signature | None:
    """A signature with its fault; None for one that names no domain and key."""
    tags = _tags(value)
    if tags is None:
        return None
    domain, selector = tags.get("d", "").lower(), tags.get("s", "").lower()
    if not _NAME.fullmatch(domain) or not _NAME.fullmatch(selector):
        return None
    fault = next(_faults(tags, present, received_at), "")
    identity = domain_of(tags.get("i", domain).lower())
    return Signature(index=index, domain=domain, selector=selector, identity=identity, fault=fault)


def _tags(value: str) -> dict[str, str] | None:
    """A tag list; None when it is none, or names a tag twice (RFC 6376 section 3.2)."""
    found: dict[str, str] = {}
    for piece in value.rstrip().removesuffix(";").split(";"):
        tag = _TAG.fullmatch(piece)
        if tag is None or tag.group(1) in found:
            return None
        found[tag.group(1)] = tag.group(2)
    return found


def _faults(tags: Mapping[str, str], present: set[str], received_at: datetime) -> Iterator[str]:
    if tags.get("a", "") not in _ALGORITHMS:
        yield f"the algorithm {tags.get('a', '')[:20] or 'none'} is not accepted (RFC 8301)"
    if "l" in tags:
        yield "it covers a part of the body only (l=; RFC 6376 section 8.2)"
    signed = {name.strip().lower() for name in tags.get("h", "").split(":")}
    for name in _SIGNED:
        if name in present and name not in signed:
            yield f"it does not cover {name.capitalize()} (RFC 6376 section 5.4)"
    if "x" in tags and not (_NUMBER.fullmatch(tags["x"]) and int(tags["x"]) >= received_at.timestamp()):
        yield "it had expired when the mail came (x=)"


def _problem(raw: bytes, signature: Signature, record: KeyRecord) -> str:
    """Why a signature is not valid; empty when it is."""
    if record.problem:
        return f"the key can't be looked up: {record.problem}"
    if unusable := _unusable(record.text, signature):
        return unusable
    import dkim

    verifier = dkim.DKIM(raw, minkey=_MINIMUM)
    try:
        valid = verifier.verify(signature.index, dnsfunc=partial(_answer, record.text))
    except Exception as error:  # noqa: BLE001 - the library raises many kinds, and all mean: not valid
        return f"{type(error).__name__}: {error}"[:200]
    read = (verifier.domain or b"").lower(), (verifier.selector or b"").lower()
    if read != (signature.domain.encode(), signature.selector.encode()):
        return "two readers of this mail see different signatures"
    return "" if valid else "the signature is not valid"


def _answer(text: bytes, _: bytes, timeout: float) -> bytes:  # noqa: ARG001 - as the library calls it
    return text


def _unusable(text: bytes, signature: Signature) -> str:
    """Why a key record is not used (RFC 6376 section 3.6.1); empty when it is."""
    if not text:
        return "there is no key"
    tags = _tags(text.decode("latin-1")) if len(text) <= _LONGEST_RECORD else None
    if tags is None:
        return "the key record is broken, or too long"
    flags, services = (
        set(tags.get(name, usual).replace(" ", "").split(":")) for name, usual in (("t", ""), ("s", "*"))
    )
    against = {
        "the key was revoked": not tags.get("p"),
        "the domain is only testing (t=y)": "y" in flags,
        "the key is not for subdomains (t=s)": "s" in flags and signature.identity != signature.domain,
        "the key is not for mail (s=)": not {"*", "email"} & services,
    }
    return next((told for told, so in against.items() if so), "")
