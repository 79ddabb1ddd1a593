"""Guesses the language of a mail from its small words; says nothing rather than something doubtful."""

import re

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_SAMPLE = 4_000
_MIN_HITS = 2
_MIN_SHARE = 0.12
_MARGIN = 1.5

_WORDS = {
    "en": (
        "any does other than thx pls hey out send "
        "the and you is are my i to of it that for with have has not your please this was be on we when where "
        "what how would could can do did been will me from but an at as if so order thanks thank hello hi dear "
        "regards sincerely still haven't i'm it's i've don't want need which there they their just after before "
    ),
    "de": (
        "sind welche welcher unsere unser vom ja nein leider zur zum "
        "der die das und ist nicht ich sie wir mein meine meinen meiner ihr ihre ihnen mir mich es ein eine einen "
        "einer zu den dem von mit auf für wo wie wann was bitte habe haben hat war noch kein keine kann können "
        "könnten möchte danke hallo guten tag grüße grüßen freundlichen sehr geehrte damen herren auch aber oder "
        "wenn dass bestellung im am bei nach wird wurde werden schon gerne vielen dank moin "
    ),
    "fr": (
        "le la les et est pas je vous nous mon ma mes votre vos un une des du de pour avec dans que qui où quand "
        "comment bonjour merci cordialement commande ai ne se ce cette sur au aux plus été être avez suis j'ai "
        "n'ai c'est s'il plaît madame monsieur salutations mais donc "
    ),
    "es": (
        "el la los las y es no mi mis su sus un una unos por para con que qué dónde cuándo cómo hola gracias "
        "saludos pedido he ha se lo en del al pero más estoy está favor quiero puedo puede tengo buenos días "
        "estimados mucho todavía cordialmente señor señora "
    ),
}
_SETS = {language: frozenset(words.split()) for language, words in _WORDS.items()}


def guess(text: str) -> str:
    """ISO 639-1 code of English, German, French or Spanish; empty when unsure."""
    words = _WORD.findall(text[:_SAMPLE].lower().replace("\u2019", "'"))
    if not words:
        return ""
    hits = sorted(((sum(word in known for word in words), language) for language, known in _SETS.items()), reverse=True)
    (best, language), (second, _) = hits[0], hits[1]
    if best < _MIN_HITS or best < _MIN_SHARE * len(words) or best < _MARGIN * second:
        return ""
    return language
