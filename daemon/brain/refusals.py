"""Turns an HTTP status that is not 200 into the error that says whether to wait or to call a person."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from handlers.contract import BrainBusy, BrainFailed

LONGEST_WAIT = 3600.0
"""Seconds; a server that asks for more is asked again after an hour."""

_PASSES = {
    408: "The model server gave up waiting for our request",
    409: "The model server reported a conflict",
    425: "The model server could not take the request yet",
    429: "The model server's rate limit is reached",
    529: "The model server is overloaded",
}
_STAYS = {
    400: "refused the request as invalid. Check model in [brain]; if other models take it, report a bug of triaged",
    401: "refused the API key. Put a valid key into api_key_file, or into ANTHROPIC_API_KEY",
    402: "refused for want of payment. Settle the account's billing, or set another key in [brain]",
    403: "does not allow this key to use this model. Allow it in the account, or set another key or model in [brain]",
    404: "does not know this model or address. Correct model or base_url in [brain]",
    413: "refused the request as too large. Answer this mail by hand, or let the handler's tools return fewer rows",
}
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,80}")


def refusal(status: int, headers: Mapping[str, str], *, now: datetime) -> BrainBusy | BrainFailed:
    """The error for an answer with that status. It never quotes the body, which may repeat the mail.

    Args:
        status: HTTP status, anything but 2xx.
        headers: response headers; names in lower case, or a mapping that ignores case.
        now: aware; an HTTP date in Retry-After counts from here.
    """
    where = _request_id(headers)
    if status in _PASSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        happened = _PASSES.get(status, "The model server failed")
        sentence = f"{happened} (HTTP {status}{where}). The mail waits and is tried again."
        return BrainBusy(sentence, retry_after=retry_after(headers, now=now))
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return BrainFailed(
            f"The model server points elsewhere (HTTP {status}); mail is not sent after it. Put the right address into "
            "base_url in [brain]."
        )
    why = _STAYS.get(status, "refused the request. Check [brain] and the server's log")
    return BrainFailed(f"The model server {why} (HTTP {status}{where}).")


def retry_after(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Seconds that the server asks us to wait, at most an hour (RFC 9110 section 10.2.3); None when it doesn't say."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _capped(milliseconds / 1000)
    value = headers.get("retry-after", "")
    seconds = _number(value)
    if seconds is not None:
        return _capped(seconds)
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return _capped(((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds())


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _capped(seconds: float) -> float | None:
    """A wait that makes sense; NaN and the past do not."""
    return min(seconds, LONGEST_WAIT) if seconds > 0 else None


def _request_id(headers: Mapping[str, str]) -> str:
    identifier = headers.get("request-id", "")
    return f", request {identifier}" if _IDENTIFIER.fullmatch(identifier) else ""
