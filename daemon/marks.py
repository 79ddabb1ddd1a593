"""The marks by which we recognise our own mail: keyed Message-IDs and the loop token (promise P3)."""

import hashlib
import hmac
import re

LOOP_HEADER = "X-Triaged-Loop"
_MESSAGE_ID = re.compile(r"^triaged\.([a-z0-9]+)\.(\d+)\.([0-9a-f]{20})@[^@<>\s]+$")
_TOKEN = re.compile(r"^([a-z0-9]+)\.(\d+)\.([0-9a-f]{20})$")


def _mac(key: bytes, purpose: str, inbound: str, revision: int) -> str:
    return hmac.new(key, f"{purpose}:{inbound}:{revision}".encode(), hashlib.sha256).hexdigest()[:20]


def message_id(key: bytes, inbound: str, revision: int, domain: str) -> str:
    """The Message-ID, without angle brackets, of revision `revision` of the reply to message `inbound`.

    The same reply has the same Message-ID however often it is composed, so that a copy in Sent can be found and a
    receiving server can drop a duplicate (RFC 5322 section 3.6.4).
    """
    return f"triaged.{inbound}.{revision}.{_mac(key, 'message-id', inbound, revision)}@{domain}"


def loop_token(key: bytes, inbound: str, revision: int) -> str:
    """The value of `X-Triaged-Loop`; whoever has not our key can't make one."""
    return f"{inbound}.{revision}.{_mac(key, 'loop', inbound, revision)}"


def ours(key: bytes, identifier: str) -> tuple[str, int] | None:
    """The inbound id and revision in a Message-ID that we made; None for any other."""
    return _read(key, "message-id", _MESSAGE_ID.match(identifier.strip().strip("<>")))


def our_token(key: bytes, token: str) -> tuple[str, int] | None:
    """The inbound id and revision in a loop token that we made; None for any other."""
    return _read(key, "loop", _TOKEN.match(token.strip()))


def _read(key: bytes, purpose: str, found: re.Match[str] | None) -> tuple[str, int] | None:
    if found is None:
        return None
    inbound, revision = found.group(1), int(found.group(2))
    if not hmac.compare_digest(found.group(3), _mac(key, purpose, inbound, revision)):
        return None
    return inbound, revision
