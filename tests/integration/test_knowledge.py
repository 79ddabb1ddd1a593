"""The operator's texts from the folder to a reply, as `init --example` writes them."""

import json
from pathlib import Path

import pytest

from daemon import cli, release
from daemon.gate.facts import ungrounded
from handlers import slots
from handlers.contract import Handler, Proposal, Row
from tools import knowledge


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop")
    assert cli.invoke(["init", str(path), "--example", "customer_service"]) == 0
    return path


def test_a_search_by_hand_shows_what_a_model_would_see(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["tools", "call", "search_knowledge", "query=return period", "--config", str(shop)]
    assert cli.invoke([*call, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    first = told["rows"][0]
    assert (first["document"], first["heading"]) == ("returns.md", "Returns > Return period")
    assert (
        'heading="Returns > Return period"; text="You can send goods back within 30 days' in told["shown_to_the_model"]
    )


def test_a_text_that_changes_is_another_release_and_the_search_knows_it(shop: Path) -> None:
    one = release.load(shop)
    (shop / "knowledge" / "opening.md").write_text("# Opening hours\nMonday to Friday, 9 to 17.\n")
    two = release.load(shop)
    assert one.id != two.id
    (shop / "knowledge" / "opening.md").unlink()
    one.tools.close()
    two.tools.close()


def test_the_commands_list_it_and_a_handler_without_texts_is_told(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["tools", "list"], ["tools", "show", "search_knowledge"], ["tools", "prove"]):
        assert cli.invoke([*command, "--config", str(shop), "--json"]) == 0
        assert "search_knowledge" in capsys.readouterr().out
    declared = shop / "handlers" / "customer_service" / "handler.toml"
    before = declared.read_text()
    declared.write_text(before.replace('"find_product",\n', '"find_product", "search_knowledge",\n'))
    assert cli.invoke(["check", "--config", str(shop)]) == 0
    hidden = [path.rename(path.with_suffix(".txt")) for path in (shop / "knowledge").glob("*.md")]
    assert cli.invoke(["check", "--config", str(shop)]) == 1
    assert "handler.toml:7: `search_knowledge` has no text to search." in " ".join(capsys.readouterr().err.split())
    for path in hidden:
        path.rename(path.with_suffix(".md"))
    declared.write_text(before)


def test_a_reply_quotes_a_passage_with_its_figures_and_links_and_needs_nobody() -> None:
    text = "Send it back within 30 days.\n\nHow: https://shop.example/returns, shipping is 4.90 EUR."
    row = Row(reference="passage", tool=knowledge.NAME, values={"document": "a.md", "heading": "A > B", "text": text})
    columns = {knowledge.NAME: knowledge.TOOL.columns}
    filled = slots.fill("Dear Ana,\n\n{{passage.text}}\n\nBest regards", [row], columns, "en")
    assert filled.body == f"Dear Ana,\n\n{text}\n\nBest regards"
    handler = Handler(name="desk")
    assert ungrounded(Proposal(body=filled.body, facts=filled.facts), handler) == ()
    typed = Proposal(body="You have 30 days.")
    assert [claim.text for claim in ungrounded(typed, handler)] == ["30"]
