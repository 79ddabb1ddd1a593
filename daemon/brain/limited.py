"""Lets only so many calls run at the same time; the slot is held during the call and not a moment longer."""

import asyncio

from handlers.contract import Brain, Reply, Request


class Limited:
    """A brain with at most `concurrency` calls at once; the others wait in order."""

    def __init__(self, brain: Brain, *, concurrency: int) -> None:
        self.name = brain.name
        self._brain = brain
        self._slots = asyncio.Semaphore(concurrency)

    async def answer(self, request: Request) -> Reply:
        """One turn, when a slot is free. Raises what the brain raises."""
        async with self._slots:
            return await self._brain.answer(request)
