"""`Embedded`: the brain from the outside."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from daemon.brain import classifier
from daemon.brain.embedded import Embedded
from handlers import propose
from handlers.contract import Category, Handler, Message, Request, Sender
from tests.unit.brain.test_embedded_classifier import EXAMPLES

HANDLER = Handler(
    name="shop",
    languages=("en", "de"),
    categories=(
        Category(name="status", description="", auto="on", template="status", examples=tuple(EXAMPLES["status"])),
        Category(name="return", description="", auto="on", template="return", examples=tuple(EXAMPLES["return"])),
        Category(name="angry", description="", examples=tuple(EXAMPLES["angry"])),
    ),
)


@pytest.fixture(scope="module")
def brain() -> Iterator[Embedded]:
    made = Embedded(threshold=0.9)
    yield made
    made._thread.shutdown()


def request(text: str, **message: Any) -> Request:
    mail = Message(sender=Sender(address="a@example.com"), text=text, **{"language": "en", **message})
    return Request(handler=HANDLER, message=mail, tools=(propose.spec(HANDLER),))


async def answer(brain: Embedded, asked: Request) -> propose.Answer:
    reply = await brain.answer(asked)
    assert [call.name for call in reply.calls] == [propose.FINAL]
    return propose.parse(reply.calls[0].arguments)


async def test_a_routine_mail_gets_its_template(brain: Embedded) -> None:
    said = await answer(brain, request("Hi,\nwhere is the lamp that I ordered?\nBob"))
    assert (said.category, said.use_template, said.language, said.escalate) == ("status", True, "en", "")


async def test_the_reply_is_in_the_language_of_the_mail(brain: Embedded) -> None:
    said = await answer(brain, request("Ich möchte 1003 zurückschicken.", language="de"))
    assert (said.category, said.language) == ("return", "de")


async def test_an_unknown_language_gets_the_handlers_first(brain: Embedded) -> None:
    assert (await answer(brain, request("Where is the rug that I ordered?", language=""))).language == "en"


async def test_what_it_is_not_sure_of_goes_to_a_person(brain: Embedded) -> None:
    said = await answer(brain, request("We offer cheap advertising, are you free on Thursday?"))
    assert (said.category, said.use_template) == ("other", False)
    assert said.escalate


async def test_a_long_mail_goes_to_a_person(brain: Embedded) -> None:
    said = await answer(brain, request("Where is the lamp that I ordered?\n" + "It is blue. " * 400))
    assert "characters" in said.escalate


async def test_the_subject_of_an_answer_is_not_read(brain: Embedded) -> None:
    asked = request("Where is the lamp that I ordered?", subject="Re: I want to send the chair back.")
    assert (await answer(brain, asked)).category == "status"
    asked = request("Where is the lamp that I ordered?", subject="I want to send the chair back.")
    assert (await answer(brain, asked)).category == "other"


async def test_the_same_request_has_the_same_reply(brain: Embedded) -> None:
    asked = request("Has my rug been shipped yet?")
    assert await brain.answer(asked) == await brain.answer(asked)


async def test_confidence_goes_with_the_reply(brain: Embedded) -> None:
    assert ((await brain.answer(request("Where is the lamp that I ordered?"))).confidence or 0.0) >= 0.9
    assert (await brain.answer(request("Thank you all!"))).confidence == 0.0


async def test_a_handler_is_learned_once_and_anew_when_its_examples_change(
    brain: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    await brain.start(HANDLER)
    learned = []
    fit = classifier.fit

    def watched(*given: Any, **more: Any) -> classifier.Classifier:
        learned.append(1)
        return fit(*given, **more)

    monkeypatch.setattr(classifier, "fit", watched)
    await asyncio.gather(*(brain.answer(request("Where is the lamp that I ordered?")) for _ in range(3)))
    assert not learned
    first, *others = HANDLER.categories
    changed = replace(HANDLER, categories=(replace(first, examples=first.examples[1:]), *others))
    await brain.start(changed, changed)
    assert learned == [1]


async def test_learning_does_not_hold_up_the_event_loop(brain: Embedded) -> None:
    late = replace(HANDLER, categories=HANDLER.categories[:2])
    learning = asyncio.create_task(brain.start(late))
    turns = 0
    while not learning.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 3
