"""The sentences that code itself puts into a reply, by language: disclosure, and the line above a quotation."""

from typing import Final

DEFAULT: Final = "en"
DISCLOSURES: Final = {
    "en": "This reply was written automatically. Answer it to reach a person.",
    "de": "Diese Antwort wurde automatisch erstellt. Antworten Sie darauf, um einen Menschen zu erreichen.",
    "fr": "Cette réponse a été rédigée automatiquement. Répondez-y pour joindre une personne.",
    "es": "Esta respuesta se ha redactado automáticamente. Respóndala para hablar con una persona.",
}
_QUOTED: Final = {
    "en": "On {date}, {name} wrote:",
    "de": "Am {date} schrieb {name}:",
    "fr": "Le {date}, {name} a écrit :",
    "es": "El {date}, {name} escribió:",
}


def disclosure(language: str, *, text: str, texts: dict[str, str]) -> str:
    """The line under a reply that no person approved.

    Args:
        language: of the reply, ISO 639-1.
        text: `reply.disclosure`; empty: no such line.
        texts: `reply.disclosures`, which come first.
    """
    if language in texts:
        return texts[language]
    if text == DISCLOSURES[DEFAULT]:
        return DISCLOSURES.get(language, text)
    return text


def attribution(language: str, *, date: str, name: str) -> str:
    """The line above a quotation."""
    return _QUOTED.get(language, _QUOTED[DEFAULT]).format(date=date, name=name)
