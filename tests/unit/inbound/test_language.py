"""The language is guessed from small words, or not at all."""

import pytest

from daemon.inbound.language import guess


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Where is my order? I have not received it yet.", "en"),
        ("Hi, my parcel still hasn't arrived, can you check please", "en"),
        ("Wo ist meine Bestellung? Ich habe noch nichts erhalten.", "de"),
        ("Guten Tag, ich möchte die Ware zurückgeben. Viele Grüße", "de"),
        ("Bonjour, où est ma commande ? Je n'ai rien reçu.", "fr"),
        ("Hola, ¿dónde está mi pedido? No he recibido nada.", "es"),
        ("Order 1042", ""),
        ("1042", ""),
        ("", ""),
        ("Dove si trova il mio ordine", ""),
        ("ご注文はどこですか", ""),
        ("the der le el", ""),
        ("Zalando Paypal Klarna IBAN DHL Tracking Express Retoure Nike Adidas Puma is", ""),
    ],
)
def test_a_language_is_named_only_when_it_is_clear(text: str, language: str) -> None:
    assert guess(text) == language
