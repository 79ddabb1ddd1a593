"""The embedded brain: answers routine mail by classifier, declared patterns and templates, without key or network."""

import asyncio
import hashlib
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

from daemon.brain import background, classifier, fitted, ideas, sentences
from daemon.brain.classifier import Classifier, Guess
from daemon.brain.plan import Step, plan
from handlers.contract import Handler, Reply, Request, ToolCall
from handlers.propose import FINAL

_LONGEST = 4_000
"""Characters of a mail that can be routine; what is longer is read by a person."""
_SUBJECT = 300
_KEPT = 16
"""Fitted handlers in memory: those of the current release, and of one or two before it."""
_ANSWERED_BEFORE = ("re:", "aw:", "antw:", "sv:", "fw:", "fwd:", "wg:")


class Embedded:
    """`handlers.contract.Brain` without a model.

    It knows what a mail asks for from the handler's example sentences, finds the tools' arguments by the patterns that
    they declare, and fills the category's template. It writes nothing of its own, and passes on what it is not sure of.
    """

    name = "embedded"

    def __init__(self, *, threshold: float | None = None) -> None:
        """Prepare; nothing heavy is loaded before the first mail or `start`.

        Args:
            threshold: confidence below which it abstains; None: `classifier.TARGET`.
        """
        self._threshold = classifier.TARGET if threshold is None else threshold
        self._fitted: OrderedDict[str, Classifier] = OrderedDict()
        # One thread, so that fitting holds up neither the event loop nor tools, and the cache needs no lock.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedded-brain")

    async def start(self, *handlers: Handler) -> None:
        """Learn the handlers now, or take up what was learned before, so that their first mails need not wait."""
        loop = asyncio.get_running_loop()
        for handler in handlers:
            await loop.run_in_executor(self._thread, self._classifier, handler)

    async def close(self) -> None:
        """Let the thread end; a mail that is being read is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def answer(self, request: Request) -> Reply:
        """One turn; it never fails, and is the same for the same request."""
        guess = await asyncio.get_running_loop().run_in_executor(self._thread, self._guess, request)
        return _reply(request, guess, plan(request, guess))

    def _guess(self, request: Request) -> Guess:
        message = request.message
        if len(message.text) > _LONGEST:
            why = f"The mail has {len(message.text)} characters; what is that long is read by a person."
            return Guess(category=None, confidence=0.0, margin=0.0, why=why)
        # The subject of an answer is the one of the mail before.
        fresh = not message.subject.strip().lower().startswith(_ANSWERED_BEFORE)
        subject = message.subject[:_SUBJECT] if fresh else ""
        said = sentences.split(f"{subject}\n\n{message.text}")
        return self._classifier(request.handler).classify(said, threshold=self._threshold)

    def _classifier(self, handler: Handler) -> Classifier:
        key = _digest(handler)
        if key not in self._fitted:
            self._fitted[key] = _learned(handler, key)
        self._fitted.move_to_end(key)
        while len(self._fitted) > _KEPT:
            self._fitted.popitem(last=False)
        return self._fitted[key]


def _learned(handler: Handler, digest: str) -> Classifier:
    """What was learned of the handler before; else it is learned now, and kept."""
    examples = {category.name: category.examples for category in handler.categories}
    known = fitted.kept(digest, classes=[name for name, said in examples.items() if said])
    if known is not None:
        return Classifier(known)
    answered = {category.name for category in handler.categories if category.auto != "off"}
    made = classifier.fit(examples, background.shipped(), answered=answered)
    fitted.keep(made.fitted, digest)
    return made


def _digest(handler: Handler) -> str:
    """What a fit depends on: this version, the background, the thesaurus and the examples."""
    digest = hashlib.sha256(version("triaged").encode())
    for file in (background.FILE, ideas.FILE):
        digest.update(file.read_bytes())
    for category in handler.categories:
        digest.update("\0".join([category.name, category.auto, *category.examples, "\n"]).encode())
    return digest.hexdigest()


def _reply(request: Request, guess: Guess, step: Step) -> Reply:
    calls = step.calls or (_final(request, step),)
    return Reply(
        text=guess.why, calls=calls, model=Embedded.name, confidence=guess.confidence if guess.category else 0.0
    )


def _final(request: Request, step: Step) -> ToolCall:
    spoken, languages = request.message.language, request.handler.languages
    arguments = {
        "category": step.category,
        "use_template": not (step.escalate or step.missing),
        "body": "",
        "language": spoken if spoken in languages else languages[0],
        "missing": list(step.missing),
        "escalate": step.escalate,
    }
    return ToolCall(id=f"embedded_{len(request.turns) + 1}", name=FINAL, arguments=arguments)
