"""Reads address fields as strictly as an identity needs: mailboxes, groups, and what only looks like one (RFC 5322)."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from daemon.inbound import charset
from daemon.inbound.mime import uncomment

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\\.|[<>,;:"]|[^<>,;:"\\]+|\\', re.DOTALL)
_LOCAL = re.compile(r"[^\s\x00-\x1f\x7f<>()\[\],;:@\"\\]{1,128}")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_IN_NAME = re.compile(r"[^\s<>\"'(),;:@]{1,128}@[^\s<>\"'(),;:@]{1,255}")
_LIMIT = 16_384
_MAX_DOMAIN = 253

_CONFUSABLES = Path(__file__).with_name("confusables.txt")
_WITH_LATIN = frozenset(
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC"}
)
"""Scripts that honest labels mix with Latin (UTS 39 section 5.2, highly restrictive)."""
_FIGURES = str.maketrans("0135", "oles")
_CLOSE = 6
"""Domains of ours from this length on are also compared by one changed letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """One mailbox of an address field."""

    address: str
    """Normalised; empty when it is no address that mail could go to."""
    name: str = ""
    """Display name, decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """An address field."""

    mailboxes: tuple[Mailbox, ...] = ()
    clean: bool = True
    """Plain mailboxes only: no group, nothing left over, nothing ambiguous."""


def read(value: str) -> Addresses:
    """Read an address field; never fails."""
    found: list[Mailbox] = []
    # a bracket that is added stays only when no comment is open: one that never closes hides what others may read
    clean = len(value) <= _LIMIT and uncomment(f"{value})").endswith(")")
    outside: list[str] = []
    angles: list[str] = []
    inside = False
    for sign in [*_TOKEN.findall(uncomment(value[:_LIMIT])), ","]:
        if sign in {",", ";"} and not inside:
            clean = _add(found, outside, angles) and clean and sign == ","
            outside, angles = [], []
        elif sign == ":" and not inside:
            outside, clean = [], False  # a group begins (RFC 5322 section 3.4)
        elif sign == "<" and not inside:
            inside = True
            angles.append("")
        elif sign == ">" and inside:
            inside = False
        elif inside:
            angles[-1] += sign
        else:
            outside.append(sign)
    return Addresses(mailboxes=tuple(found), clean=clean and not inside)


def _add(found: list[Mailbox], outside: list[str], angles: list[str]) -> bool:
    """Add what stood between two commas; False when it is not simply a mailbox."""
    text = "".join(outside).strip()
    if not angles:
        if not text:
            return True
        address = normalise(text)
        found.append(Mailbox(address=address))
        return bool(address)
    route, colon, rest = angles[0].partition(":")  # a source route is obsolete and ignored (RFC 5322 section 4.4)
    address = normalise(rest if colon and route.lstrip().startswith("@") else angles[0])
    found.append(Mailbox(address=address, name=_name(text)))
    return bool(address) and len(angles) == 1


def _name(text: str) -> str:
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    return " ".join(charset.words(text).split())


def normalise(text: str) -> str:
    """An addr-spec in the form that we compare and bind: lower case, the domain as A-labels; empty when it is none.

    Quoted local parts and address literals are refused: no customer has one, and they are how parsers are fooled.
    """
    local, at, domain = text.strip().rpartition("@")
    if not at or not _LOCAL.fullmatch(local):
        return ""
    try:
        ascii_domain = alabels(domain.strip().rstrip("."))
    except ValueError:
        return ""
    return f"{unicodedata.normalize('NFC', local).lower()}@{ascii_domain}" if ascii_domain else ""


def alabels(domain: str) -> str:
    """A domain in lower-case A-labels (RFC 5890); empty when it is none.

    Raises:
        ValueError: it can't be written as A-labels.
    """
    if not domain.isascii():
        import idna

        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except (UnicodeError, IndexError) as error:
            raise ValueError(str(error)) from error
    domain = domain.lower()
    labels = domain.split(".")
    if len(domain) > _MAX_DOMAIN or not all(_LABEL.fullmatch(label) for label in labels):
        return ""
    return domain


def domain_of(address: str) -> str:
    """What stands right of the last @."""
    return address.rpartition("@")[2]


def look_alike(sender: Mailbox, ours: Iterable[str]) -> str:
    """Why this sender may be taken for somebody else, in words; empty when nothing speaks for it.

    Args:
        sender: the mailbox of From.
        ours: addresses and domains that are worth imitating.
    """
    for other in _IN_NAME.findall(sender.name):
        if normalise(other) and normalise(other) != sender.address:
            return f"the display name holds another address than {sender.address}"
    domain = domain_of(sender.address)
    shown = _ulabels(domain)
    if shown != domain and _disguised(shown):
        return f"the domain {domain} mixes or imitates Latin letters"
    for own in {domain_of(address) for address in ours}:
        if domain == own or domain.endswith("." + own) or own.endswith("." + domain):
            continue
        near = _skeleton(shown) == _skeleton(own) or (len(own) >= _CLOSE and _one_apart(domain, own))
        if near or ("." in own and domain.startswith(own + ".")):
            return f"the domain {domain} looks like {own}"
    return ""


def _ulabels(domain: str) -> str:
    if "xn--" not in domain:
        return domain
    import idna

    try:
        return idna.decode(domain)
    except (UnicodeError, IndexError):
        return domain


def _disguised(domain: str) -> bool:
    """Whether a label mixes scripts as no honest one does, or is wholly made of other letters that look Latin.

    A whole word of another script may look Latin by chance; below a top-level domain of that script it is meant so.
    """
    foreign = domain.rpartition(".")[2].isascii()
    for label in domain.split("."):
        scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in label if letter.isalpha()}
        if "LATIN" in scripts and not scripts <= _WITH_LATIN:
            return True
        if foreign and scripts and "LATIN" not in scripts and label.translate(_look()).isascii():
            return True
    return False


@cache
def _look() -> dict[int, str]:
    """Code point to the ASCII that it looks like."""
    lines = _CONFUSABLES.read_text(encoding="utf-8").splitlines()
    found = [line.split() for line in lines if not line.startswith("#")]
    return {int(code, 16): look for look, *codes in found for code in codes}


def _skeleton(domain: str) -> str:
    """What a domain looks like, and all that look like it (UTS 39 section 4, coarser)."""
    plain = domain
    if not domain.isascii():
        plain = unicodedata.normalize("NFKD", domain.translate(_look()))
        plain = "".join(letter for letter in plain if not unicodedata.combining(letter)).translate(_look())
    return plain.translate(_FIGURES).replace("rn", "m").replace("vv", "w").replace("i", "l").replace("-", "")


def _one_apart(left: str, right: str) -> bool:
    """Whether one letter was changed, added, dropped or swapped with its neighbour."""
    if abs(len(left) - len(right)) > 1:
        return False
    start = next(
        (at for at, (one, other) in enumerate(zip(left, right, strict=False)) if one != other),
        min(len(left), len(right)),
    )
    one, other = left[start:], right[start:]
    return (
        one[1:] == other[1:]
        or one[1:] == other
        or one == other[1:]
        or (one[:2] == other[1::-1] and one[2:] == other[2:])
    )
