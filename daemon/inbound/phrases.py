"""The subjects by which answering machines and bounces announce themselves, in the languages that we meet."""

_ABSENT = (
    "out of office",
    "out of the office",
    "out-of-office",
    "ooo",
    "autoreply",
    "auto-reply",
    "auto reply",
    "auto response",
    "auto-response",
    "automatic reply",
    "automated reply",
    "automated response",
    "automatic response",
    "autoresponse",
    "vacation",
    "vacation reply",
    "away from the office",
    "on vacation",
    "automatische antwort",
    "automatische rückantwort",
    "automatische abwesenheitsnachricht",
    "abwesenheitsnotiz",
    "abwesenheitsnachricht",
    "abwesenheitsassistent",
    "abwesenheit",
    "abwesend",
    "nicht im büro",
    "réponse automatique",
    "message d'absence",
    "absence du bureau",
    "absent du bureau",
    "en congé",
    "respuesta automática",
    "fuera de la oficina",
    "ausente de la oficina",
    "risposta automatica",
    "fuori sede",
    "fuori ufficio",
    "resposta automática",
    "automatisch antwoord",
    "afwezigheidsbericht",
    "afwezig",
    "autosvar",
    "automatiskt svar",
    "automatisk svar",
    "frånvaro",
    "automaattinen vastaus",
    "odpowiedź automatyczna",
    "automatická odpověď",
    "otomatik yan\u0131t",
    "автоответ",
    "автоматический ответ",
    "自動返信",
    "自動応答",
    "自动回复",
    "自动答复",
    "자동 회신",
)
_OPENINGS = (
    "automatic reply to ",
    "automatische antwort auf ",
    "auto: ",
    "réponse automatique à ",
    "respuesta automática a ",
)
_FAILED = (
    "undelivered mail returned to sender",
    "undeliverable:",
    "undeliverable mail",
    "mail delivery failed",
    "mail delivery failure",
    "mail delivery subsystem",
    "delivery status notification",
    "delivery failure",
    "delivery has failed",
    "returned mail:",
    "failure notice",
    "message undeliverable",
    "unzustellbar:",
    "unzustellbare nachricht",
    "nachricht unzustellbar",
    "nicht zugestellt:",
    "non remis :",
    "échec de la remise",
    "no se puede entregar:",
    "devolución de correo",
)


def is_bounce(subject: str) -> bool:
    """Whether the subject is one that mail servers give to mail that did not arrive."""
    return _plain(subject).startswith(_FAILED)


def is_automatic(subject: str) -> bool:
    """Whether the subject is one that mail programs give to automatic answers; a reply to such a mail is not."""
    plain = _plain(subject)
    return plain.startswith(_OPENINGS) or any(_announces(plain, phrase) for phrase in _ABSENT)


def _plain(subject: str) -> str:
    return subject.lower().replace("\u2019", "'").lstrip("[(*- ")


def _announces(subject: str, phrase: str) -> bool:
    """The phrase alone or before a colon, dash or bracket: `Out of office hours?` is a person's question."""
    rest = subject[len(phrase) :].lstrip() if subject.startswith(phrase) else "x"
    return not rest or rest[0] in ":;-\u2013\u2014)]!.(\uff08\uff1a*|/"
