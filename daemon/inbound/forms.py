"""Finds who filled in a contact form: the address and the words that a form's mail holds."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from daemon.inbound import address, loops
from handlers.contract import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A contact form, as its operator describes it."""

    sender: str
    """Normalised address in From of its mail."""
    address: str
    """Regular expression with one group."""
    text: str = ""
    """Regular expression with one group; empty: the whole text."""
    auto: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What somebody wrote into a form."""

    address: str = ""
    """Normalised; empty when there is a fault: then nobody knows whom to answer."""
    text: str = ""
    fault: str = ""
    """Why it can't be said who wrote, in words for the operator; empty: it can."""


def of(forms: Sequence[Form], sender: str, verdict: Verdict) -> Form | None:
    """The form that sent a mail; only a verified From speaks for a form, any other is mail like all mail."""
    if verdict != "verified":
        return None
    return next((form for form in forms if form.sender == sender), None)


def fill(form: Form, text: str, *, own: Collection[str]) -> Filled:
    """Read a form's mail.

    The address has to occur exactly once, whatever else the visitor wrote: a line in their words that looks like the
    form's own makes two, and then a person decides.

    Args:
        form: the form.
        text: all of the mail's text, quoted parts too.
        own: our addresses, normalised.
    """
    written = re.findall(form.address, text, re.MULTILINE)
    if len(written) != 1:
        told = "does not occur in the mail" if not written else f"occurs {len(written)} times"
        return Filled(text=text, fault=f"`address` of the form {told}")
    sender = address.normalise(written[0])
    if problem := _unfit(sender, own):
        return Filled(text=text, fault=problem)
    if not form.text:
        return Filled(address=sender, text=text)
    said = re.search(form.text, text, re.MULTILINE)
    if said is None or said.group(1) is None:
        return Filled(text=text, fault="`text` of the form does not occur in the mail")
    return Filled(address=sender, text=said.group(1).strip())


def _unfit(sender: str, own: Collection[str]) -> str:
    """Why nobody should be answered there; empty when somebody may be."""
    if not sender:
        return "what stands where the address should be is none"
    if loops.untagged(sender) in own:
        return "the visitor's address is one of ours"
    return "the visitor's address is a machine's" if loops.machine(sender) else ""
