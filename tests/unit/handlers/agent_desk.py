"""The agent on the small shop, for its tests."""

from typing import Any

from handlers.agent import Agent
from handlers.contract import Proposal, Reply
from tests.fixtures import desk
from tests.fixtures.desk import ListJournal, ScriptedBrain
from tools.catalogue import Catalogue


class Desk:
    """One run of the agent on the small shop, and what it left behind."""

    def __init__(self, tools: Catalogue) -> None:
        self.tools = tools
        self.journal = ListJournal()
        self.box = desk.toolbox(tools, desk.handler())
        self.brain = ScriptedBrain()

    async def run(self, *script: Reply | Exception, text: str = "Where is my order 1001?", **changes: Any) -> Proposal:
        self.brain = ScriptedBrain(*script)
        self.box = desk.toolbox(self.tools, desk.handler())
        context = desk.context(self.brain, self.box, journal=self.journal, **changes)
        return await Agent().run(desk.handler(), desk.message(text), context)
