"""Says who a verified sender is to the business: `[identity.NAME]`, and what a turn may know of it (promise P5)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from daemon.config import Config
from handlers.conclude import conclude
from handlers.contract import Handler, Message, Proposal
from handlers.propose import UNKNOWN_CUSTOMER, Answer
from handlers.slots import Columns
from handlers.templates import Material
from tools import identity
from tools.catalogue import Catalogue
from tools.identity import Identity, Unproven
from tools.located import Document, Fault, Faults, unknown
from tools.outcome import Failed
from tools.tool import Tool


def load(config: Config, document: Document, catalogue: Catalogue) -> dict[str, Identity]:
    """The identity of each mailbox that has one, proven on its database.

    Raises:
        Faults: everything that is wrong with `[identity.NAME]`, and tools that ask for a customer whom nothing names.
    """
    faults: list[Fault] = []
    found: dict[str, Identity] = {}
    for name, each in config.identity.items():
        wrong = list(_unknown_names(config, document, name))
        faults += wrong
        if wrong:
            continue
        try:
            proven = identity.prove(name, each.database, each.statement, catalogue)
        except (Unproven, Failed) as error:
            faults.append(
                document.fault(("identity", name, "statement"), f"The statement of [identity.{name}]: {error}")
            )
            continue
        for mailbox in each.mailbox or config.mailbox:
            if mailbox in found:
                told = f"[identity.{found[mailbox].name}] is for the mailbox `{mailbox}` too. Leave it to one of them."
                faults.append(document.fault(("identity", name), told))
            found[mailbox] = proven
    tool = next((each for each in catalogue.values() if each.uses("customer")), None)
    if tool and not config.identity:
        told = f"The tool `{tool.name}` uses `:customer`, and nothing says who that is. Add [identity.NAME]."
        faults.append(document.fault(("identity",), told))
    if faults:
        raise Faults(faults)
    return found


def _unknown_names(config: Config, document: Document, name: str) -> Iterator[Fault]:
    each = config.identity[name]
    if each.database not in config.database:
        told = unknown(each.database, config.database, "database")
        yield document.fault(("identity", name, "database"), told)
    for mailbox in each.mailbox:
        if mailbox not in config.mailbox:
            yield document.fault(("identity", name, "mailbox"), unknown(mailbox, config.mailbox, "mailbox"))


def asking(handler: Handler, catalogue: Mapping[str, Tool]) -> frozenset[str]:
    """The handler's tools that use `:customer`: without one nothing has to be known of it."""
    return frozenset(name for name in handler.tools if catalogue[name].uses("customer"))


def as_stranger(
    handler: Handler, message: Message, proposal: Proposal, columns: Columns, absent: frozenset[str]
) -> Proposal:
    """The proposal for a verified sender who is no customer.

    What needs a tool that asks for `:customer` is answered with the handler's category `unknown_customer`, where it has
    one: never as if the sender's order did not exist. All else stays as it is.
    """
    asked, declared = handler.category(proposal.category), handler.category(UNKNOWN_CUSTOMER)
    needs = asked is not None and not absent.isdisjoint(asked.tools)
    if not needs or declared is None or declared.template is None:
        return proposal
    answer = Answer(
        category=UNKNOWN_CUSTOMER,
        use_template=True,
        body="",
        language=proposal.language,
        missing=[],
        escalate=proposal.escalation,
    )
    stranger = conclude(answer, Material(handler=handler, message=message, results=(), columns=columns)).proposal
    return replace(
        stranger,
        writes=proposal.writes,
        results=proposal.results,
        turns=proposal.turns,
        fallback=proposal.fallback,
        confidence=proposal.confidence,
    )
