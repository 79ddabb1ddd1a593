"""Parts what a sender wrote anew from what was quoted, forwarded or signed, in English, German, French and Spanish."""

import re

MAX_SIGNATURE = 15
"""Lines below `-- ` up to which it is a signature (RFC 3676 section 4.3 gives no limit; four lines are customary)."""

_ATTRIBUTION = tuple(
    re.compile(each)
    for each in (
        r"on .*\bwrote:$",
        r"on .*> wrote: .*",  # Yahoo goes on in the same line
        r"am .*\b(?:ge)?schr(?:ieb|ieben):$",
        r"am .* schrieb .*:$",
        r"[^<]{1,80}<[^<>]+> schrieb am .*:$",
        r"le .*\ba [ée]crit ?:$",
        r"el .*\bescribi[óo]:$",
        r"\d{4}-\d\d-\d\d \d?\d:\d\d .*<[^<>]+@[^<>]+>:$",
    )
)
"""The line above a quotation, in lower case and unwrapped; there is a date in it."""
_BEGINNING = re.compile(r"(?:on|am|le|el|\d{4}-\d\d-\d\d) |[^<]{1,80}<[^<>]+> schrieb am ")
_NOTES = re.compile(r"-----.{1,200} (?:wrote|schrieb|a écrit|escribió) ?: -----")
"""How Lotus Notes announces an earlier mail."""

_SEPARATORS = (
    "original message",
    "forwarded message",
    "ursprüngliche nachricht",
    "originalnachricht",
    "original-nachricht",
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
_OUTLOOK_SENT = re.compile(
    r"\*?(?:sent|date|gesendet|datum|envoyé|envoyé le|enviado|enviado el|fecha)\s?:\*? ?\S", re.IGNORECASE
)
_OUTLOOK_TO = re.compile(r"\*?(?:to|an|à|para|subject|betreff|objet|asunto)\s?:\*? ?\S", re.IGNORECASE)
_DEVICES = re.compile(
    r"sent from (?:my |outlook|mail|yahoo|proton|samsung)|sent (?:with|via|using) (?:proton|blackberry|outlook|tuta)|"
    r"get (?:outlook|bluemail) for |von meinem .{1,60} gesendet|gesendet mit |diese nachricht wurde von meinem |"
    r"gesendet von (?:mail|outlook|meinem|yahoo)|outlook für .{1,80} beziehen|holen sie sich outlook |"
    r"envoyé (?:de mon|depuis|à partir de|avec) |(?:télécharger|obtenez) outlook |provenance : courrier |"
    r"enviado (?:desde|con) |(?:obtener|descargar) outlook ",
    re.IGNORECASE,
)
_MAX_DEVICE = 200
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
    if lowered.startswith(_BARE_SEPARATORS) or _NOTES.fullmatch(lowered):
        return 1
    if lowered.strip("_") == "" and len(lowered) >= 10:  # noqa: PLR2004 - Outlook draws 32
        return 1 if _outlook(lines, _next_filled(lines, at + 1)) else 0
    return _attribution(lines, at, lowered) or int(_outlook(lines, at))


def _attribution(lines: list[str], at: int, first: str) -> int:
    """`On …, … wrote:`, which mail programs wrap over up to three lines."""
    if not _BEGINNING.match(first):
        return 0
    joined = ""
    for length in range(1, 4):
        more = lines[at + length - 1].strip().lower() if at + length <= len(lines) else ""
        if not more or len(more) > _MAX_LINE:
            return 0
        joined = " ".join(f"{joined} {more}".split())  # also the spaces that French puts before a colon
        if any(each.fullmatch(joined) for each in _ATTRIBUTION):
            return length if any(letter.isdigit() for letter in joined) else 0
    return 0


def _outlook(lines: list[str], at: int) -> bool:
    """Outlook's header block: From, then Sent, then To or Subject, within a few lines; GMX has Sent above From."""
    block = [line.strip()[:_MAX_LINE] for line in lines[at : at + 6]]
    if len(block) > 1 and _OUTLOOK_SENT.match(block[0]) and _OUTLOOK_FROM.match(block[1]):
        block[:2] = block[1], block[0]
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
    while lines and (not lines[-1].strip() or (len(lines[-1]) < _MAX_DEVICE and _DEVICES.match(lines[-1].strip()))):
        lines.pop()
    return "\n".join(lines).strip("\n")
