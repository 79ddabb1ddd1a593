"""Parts what a sender wrote anew from what was quoted, forwarded or signed, in English, German, French and Spanish."""

import re

MAX_SIGNATURE = 15
"""Lines below `-- ` up to which it is a signature (RFC 3676 section 4.3 gives no limit; four lines are customary)."""

_ATTRIBUTION = (
    ("on ", ("wrote:",)),
    ("am ", ("schrieb:",)),
    ("le ", ("a écrit :", "a écrit:", "a écrit\u00a0:", "a ecrit :")),
    ("el ", ("escribió:", "escribio:")),
)
"""How the line above a quotation begins and ends; German also puts the name behind the verb."""
_GERMAN_VERB = " schrieb "

_SEPARATORS = (
    "original message",
    "forwarded message",
    "ursprüngliche nachricht",
    "originalnachricht",
    "weitergeleitete nachricht",
    "message d'origine",
    "message original",
    "message transféré",
    "message d\u2019origine",
    "mensaje original",
    "mensaje reenviado",
)
_BARE_SEPARATORS = (
    "begin forwarded message:",
    "anfang der weitergeleiteten nachricht:",
    "anfang der weitergeleiteten e-mail:",
    "début du message transféré :",
    "inicio del mensaje reenviado:",
)
_OUTLOOK_FROM = re.compile(r"\*?(?:from|von|de|desde)\s?:\*? ?\S", re.IGNORECASE)
_OUTLOOK_SENT = re.compile(r"\*?(?:sent|date|gesendet|datum|envoyé|enviado|enviado el|fecha)\s?:\*? ?\S", re.IGNORECASE)
_OUTLOOK_TO = re.compile(r"\*?(?:to|an|à|para|subject|betreff|objet|asunto)\s?:\*? ?\S", re.IGNORECASE)
_DEVICES = re.compile(
    r"(?:sent from my |sent from (?:outlook|mail|yahoo|proton)|get outlook for |von meinem .{1,40} gesendet|"
    r"gesendet mit |gesendet von (?:mail|outlook|meinem)|diese nachricht wurde von meinem |"
    r"envoyé de mon |envoyé depuis |enviado desde )",
    re.IGNORECASE,
)
_MAX_LINE = 400


def split(text: str) -> tuple[str, str]:
    """The text without quotations and signature, and the quotations.

    An answer between or below quoted lines is kept: only what is marked as quoted goes, except below an attribution
    or separator that is followed by unmarked text, where all the rest is the earlier mail.
    """
    lines = text.split("\n")
    fresh: list[str] = []
    quoted: list[str] = []
    at = 0
    while at < len(lines):
        if lines[at].startswith(">"):
            quoted.append(lines[at])
            at += 1
        elif length := _opening(lines, at):
            rest = _next_filled(lines, at + length)
            if not lines[rest : rest + 1] or not lines[rest].startswith(">"):
                quoted += lines[at:]
                break
            quoted += lines[at:rest]
            at = rest
        else:
            fresh.append(lines[at])
            at += 1
    return _unsigned(fresh), "\n".join(quoted).strip("\n")


def _next_filled(lines: list[str], at: int) -> int:
    """The next line that is not empty; one look ahead of a few lines is enough and keeps this linear."""
    return next((index for index in range(at, min(at + 5, len(lines))) if lines[index].strip()), at)


def _opening(lines: list[str], at: int) -> int:
    """How many lines from here announce an earlier mail; 0 when none does."""
    line = lines[at].strip()
    if not line or len(line) > _MAX_LINE:
        return 0
    lowered = line.lower()
    if lowered.startswith(("-----", "_____", "=====")) and lowered.strip("-_= ").startswith(_SEPARATORS):
        return 1
    if lowered.startswith(_BARE_SEPARATORS):
        return 1
    if lowered.strip("_") == "" and len(lowered) >= 10:  # noqa: PLR2004 - Outlook draws 32
        return 1 if _outlook(lines, _next_filled(lines, at + 1)) else 0
    return _attribution(lines, at, lowered) or int(_outlook(lines, at))


def _attribution(lines: list[str], at: int, first: str) -> int:
    """`On …, … wrote:`, which mail programs wrap over up to three lines."""
    start = next((ends for begins, ends in _ATTRIBUTION if first.startswith(begins)), None)
    if start is None:
        return 0
    joined = first
    for length in range(1, 4):
        if joined.endswith(start) or (first.startswith("am ") and _GERMAN_VERB in joined and joined.endswith(":")):
            return length if any(letter.isdigit() for letter in joined) else 0
        more = lines[at + length].strip().lower() if at + length < len(lines) else ""
        if not more or len(more) > _MAX_LINE:
            return 0
        joined = f"{joined} {more}"
    return 0


def _outlook(lines: list[str], at: int) -> bool:
    """Outlook's header block: From, then Sent, then To or Subject, within a few lines."""
    block = [line.strip()[:_MAX_LINE] for line in lines[at : at + 6]]
    if not block or not _OUTLOOK_FROM.match(block[0]):
        return False
    return any(_OUTLOOK_SENT.match(line) for line in block[1:4]) and any(_OUTLOOK_TO.match(line) for line in block[1:])


def _unsigned(lines: list[str]) -> str:
    while lines and not lines[-1].strip():
        lines.pop()
    for at in range(max(0, len(lines) - MAX_SIGNATURE - 1), len(lines)):
        if lines[at].rstrip() == "--":
            lines = lines[:at]
            break
    while lines and (not lines[-1].strip() or (len(lines[-1]) < _MAX_LINE and _DEVICES.match(lines[-1].strip()))):
        lines.pop()
    return "\n".join(lines).strip("\n")
