"""Turns octets into text by the charset they claim, with a way out when the claim is wrong (RFC 2045, RFC 2047)."""

import binascii
import codecs
import re

# Codecs of Python that are charsets of mail. An allow-list: among the rest are compressors (zlib), quadratic ones
# (punycode, idna) and some that carry characters past every filter (utf-7, unicode_escape).
_CHARSETS = frozenset(
    (  # noqa: SIM905 - a list would be a page
        "ascii utf-8 utf-8-sig utf-16 utf-16-be utf-16-le utf-32 utf-32-be utf-32-le iso8859-1 iso8859-2 "
        "iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8 iso8859-9 iso8859-10 iso8859-11 "
        "iso8859-13 iso8859-14 iso8859-15 iso8859-16 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 "
        "cp1258 cp437 cp850 cp852 cp866 cp874 koi8-r koi8-u koi8-t mac-roman mac-cyrillic mac-latin2 gb2312 "
        "gbk gb18030 hz big5 big5hkscs shift_jis cp932 euc_jp iso2022_jp iso2022_jp_1 iso2022_jp_2 "
        "iso2022_jp_ext euc_kr cp949 johab iso2022_kr tis-620 ptcp154 "
    ).split()
)
_MEANT = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
"""What senders mean in practice (WHATWG Encoding Standard 4.2): the superset decodes what the named one does."""

_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_HEADER_LIMIT = 16_384


def codec(name: str) -> str | None:
    """The codec for a charset of a mail; None for one that we don't know."""
    try:
        found = codecs.lookup(name.strip().strip("\"'").lower()).name
    except (LookupError, ValueError):
        return None
    return _MEANT.get(found, found) if found in _CHARSETS else None


def decode(content: bytes, charset: str) -> tuple[str, bool]:
    """Decode octets; the second value is False when the charset is unknown or the octets are not of it.

    Nothing is lost that could be read: UTF-8 is tried first when the claim is absent or fails.
    """
    name = codec(charset) if charset else "utf-8"
    # Text that is UTF-8 by accident does not exist beyond ASCII, so UTF-8 labelled as Latin-1 is recognised.
    for attempt in ("utf-8", name) if name == "cp1252" else (name or "utf-8", "utf-8"):
        try:
            return content.decode(attempt), name is not None and name in {attempt, "cp1252"}
        except (UnicodeError, ValueError):
            continue
    return content.decode("cp1252", errors="replace"), False


def words(value: str) -> str:
    """Decode the encoded words in a field; white space between two of them vanishes (RFC 2047 section 6.2)."""
    if "=?" not in value:
        return value
    pieces: list[str] = []
    pending: tuple[str, bytes] | None = None
    end = 0
    value = value[:_HEADER_LIMIT]
    for found in _WORD.finditer(value):
        between = value[end : found.start()]
        charset, encoding, payload = found.groups()
        octets = _payload(encoding, payload)
        if pending is not None and not between.strip() and pending[0] == charset.lower():
            # A multi-byte character may be cut in two between words of one charset: the octets are joined first.
            pending = (pending[0], pending[1] + octets)
        else:
            pieces += [_flush(pending), between if between.strip() or pending is None else ""]
            pending = (charset.lower(), octets)
        end = found.end()
    return "".join([*pieces, _flush(pending), value[end:]])


def _flush(pending: tuple[str, bytes] | None) -> str:
    return "" if pending is None else decode(pending[1], pending[0].partition("*")[0])[0]


def _payload(encoding: str, payload: str) -> bytes:
    octets = payload.encode("utf-8", errors="replace")
    if encoding in "qQ":
        return binascii.a2b_qp(octets, header=True)
    return base64(octets)


_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


def base64(octets: bytes) -> bytes:
    """Decode base64 as far as it goes: foreign characters, missing padding and a torn end are forgiven."""
    try:
        return binascii.a2b_base64(octets)
    except binascii.Error:
        clean = _NOT_BASE64.sub(b"", octets)
        clean = clean[: len(clean) - (len(clean) % 4 == 1)]
        return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))
