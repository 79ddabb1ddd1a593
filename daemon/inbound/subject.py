"""Finds the subject that the mails of one conversation share."""

import re

_PREFIX = re.compile(
    r"(?:re|aw|antw|antwort|sv|vs|fwd?|wg|tr|rv|rif|r|res|enc|ref)(?:\[\d{1,4}\]|\(\d{1,4}\))?\s?[:\uff1a]\s*",
    re.IGNORECASE,
)
_BLOB = re.compile(r"\[[^\[\]]{1,60}\]\s*")
_TRAILER = re.compile(r"\(fwd\)$", re.IGNORECASE)
_MAX_SUBJECT = 500


def base_subject(subject: str) -> str:
    """The subject without reply and forward marks, after RFC 5256 section 2.1, in more languages."""
    text = " ".join(subject[:_MAX_SUBJECT].split())
    while True:
        before = text
        text = _TRAILER.sub("", text).rstrip()
        if found := _PREFIX.match(text):
            text = text[found.end() :]
        elif (blob := _BLOB.match(text)) and text[blob.end() :]:
            text = text[blob.end() :]
        if text == before:
            return text.casefold()
