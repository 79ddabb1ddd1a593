"""The demo: for fifty seeds each sample mail ends as its name says, and a reply's facts are those of the database."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon import consider, demo
from daemon import release as releases
from daemon.inbound.arrival import Arrival, Envelope
from daemon.inbound.screen import Screened, screen
from daemon.rehearse import Rehearsal, _Forgetful
from tools.samples import mails, shop
from tools.samples.mails import SampleMail


def turns(samples: list[tuple[SampleMail, Screened]]) -> Iterator[list[tuple[SampleMail, Screened]]]:
    """The mails of one sender together: a burst gets one reply."""
    parties: dict[str, list[tuple[SampleMail, Screened]]] = {}
    for sample, screened in samples:
        parties.setdefault(screened.party, []).append((sample, screened))
    yield from parties.values()


@pytest.mark.parametrize("first", [0, *(pytest.param(first, marks=pytest.mark.long) for first in range(10, 50, 10))])
async def test_outcomes_and_facts_match_the_database_whatever_the_seed(first: int, tmp_path: Path) -> None:
    demo._configure(tmp_path, smtp_port=9, brain="embedded")
    wrong: list[str] = []
    for seed in range(first, first + 10):
        (tmp_path / "shop.db").unlink(missing_ok=True)
        shop.build(tmp_path / "shop.db", seed=seed, today=datetime.now(UTC).date())
        samples = mails.mails(tmp_path / "shop.db", seed=seed, now=datetime.now(UTC))
        release = releases.load(tmp_path)
        async with Rehearsal(release, mailbox=next(iter(release.config.mailbox))) as rehearsal:
            wrong += [f"seed {seed}: {told}" async for told in faults(rehearsal, samples)]
        release.tools.close()
    assert wrong == []


async def faults(rehearsal: Rehearsal, samples: list[SampleMail]) -> AsyncIterator[str]:
    """What does not end as it must."""
    screened = [(sample, _screened(rehearsal, sample)) for sample in samples]
    for sample, found in screened:
        if (found.automatic is not None) != (sample.expect == "ignored"):
            yield f"{sample.name} is {found.automatic or 'taken'}"
    for turn in turns([each for each in screened if each[1].automatic is None]):
        question = consider.Question(
            messages=tuple(found.message for _, found in turn), conversation="c", journal=_Forgetful()
        )
        answer = await consider.consider(rehearsal._mind(), question)
        outcome = {"send": "sent", "hold": "held", "ignore": "ignored"}[answer.verdict.outcome]
        body = " ".join(answer.proposal.body.split())
        for sample, _ in turn:
            if outcome != sample.expect:
                yield f"{sample.name} is {outcome}: {', '.join(answer.verdict.reasons)}"
            lacking = [fact for fact in sample.facts if sample.expect == "sent" and fact not in body]
            told = [word for word in sample.forbidden if word in body]
            if lacking or told:
                yield f"{sample.name} lacks {lacking}, tells {told}: {body}"


def _screened(rehearsal: Rehearsal, sample: SampleMail) -> Screened:
    arrival = Arrival(
        mailbox=rehearsal._name,
        raw=sample.raw,
        received_at=datetime.now(UTC),
        envelope=Envelope(mail_from=sample.mail_from, rcpt_to=(sample.rcpt_to,)),
    )
    return screen(arrival, rehearsal._screen, id="rehearsal")


def test_the_whole_demo_ends_well_and_can_be_reviewed_afterwards(tmp_path: Path) -> None:
    where = tmp_path / "demo"

    def triaged(*arguments: str) -> str:
        command = [str(Path(sys.executable).with_name("triaged")), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    told = json.loads(triaged("demo", "--json", "--dir", str(where)))
    assert told.keys() >= {"received", "sent", "held", "ignored", "failed", "mails"}
    assert told["failed"] == 0
    assert told["received"] == told["sent"] + told["held"] + told["ignored"] == len(told["mails"])
    held = json.loads(triaged("drafts", "list", "--json", "--config", str(where)))
    assert len(held) == told["held"]
    ready = next(draft["id"] for draft in held if draft["category"] == "address_change")
    assert "customers.street" in triaged("drafts", "show", ready, "--config", str(where))
    assert "it leaves as soon as" in triaged("drafts", "approve", ready, "--config", str(where))
