from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from handlers.contract import Handler, Sender
from handlers.toolbox import References
from tests.fixtures import desk
from tests.fixtures.desk import ANA, call
from tools.catalogue import Catalogue
from tools.outcome import UNIFORM, Failed
from tools.tool import Tool

BOB = Sender(address="bob@example.com", verdict="verified")


async def test_a_verified_sender_has_the_handlers_tools_without_those_that_ran_already(tools: Catalogue) -> None:
    box = desk.toolbox(tools, desk.handler())
    assert [spec.name for spec in box.specs()] == ["find_order", "list_orders", "shop_hours", "request_refund"]
    assert box.specs()[0].find == {"order_id": r"(?i)order\s+(?:no\.?\s*)?(\d{4})\b"}


@pytest.mark.parametrize("verdict", ["unverified", "failed"])
async def test_without_a_verified_sender_the_scoped_tools_are_absent(tools: Catalogue, verdict: Any) -> None:
    box = desk.toolbox(tools, desk.handler(), sender=Sender(address=ANA.address, verdict=verdict))
    assert [spec.name for spec in box.specs()] == ["shop_hours"]
    assert await box.prefetch(desk.message("order 1001")) == ()
    result = await box.call(call("find_order", order_id="1001"))
    assert (result.outcome, result.content, result.rows) == ("refused", UNIFORM, ())


async def test_prefetch_reads_what_the_mail_names_and_gives_each_row_a_reference(tools: Catalogue) -> None:
    box = desk.toolbox(tools, desk.handler())
    results = await box.prefetch(desk.message("and order 1002?", subject="order 1001"))
    assert [(result.call.name, dict(result.call.arguments)) for result in results] == [
        ("find_customer", {}),
        ("find_order", {"order_id": "1001"}),
        ("find_order", {"order_id": "1002"}),
    ]
    assert [row.reference for result in results for row in result.rows] == ["customer", "order", "order2"]
    assert all(result.prefetched and result.outcome == "ok" for result in results)


async def test_a_row_is_shown_in_one_short_line(tools: Catalogue) -> None:
    box = desk.toolbox(tools, desk.handler())
    first = await box.call(call("find_order", order_id="1001"))
    assert first.content == (
        'order: order_id="1001"; status="shipped"; total=1250.50 EUR; placed_on="2026-11-03"; '
        'tracking_url="https://shop.example/t/1001"; note (untrusted)="ring twice"'
    )
    second = await box.call(call("find_order", order_id="1002"))
    assert second.content == 'order2: order_id="1002"; status="delivered"; total=49.00 EUR; placed_on="2026-10-30"'


async def test_the_same_row_keeps_its_reference_and_references_count_for_each_name(tools: Catalogue) -> None:
    box = desk.toolbox(tools, desk.handler())
    rows = [
        (await box.call(call("find_order", order_id=number))).rows[0].reference for number in ("1002", "1001", "1002")
    ]
    assert rows == ["order", "order2", "order"]
    recent = await box.call(call("list_orders"))
    assert [row.reference for row in recent.rows] == ["recent", "recent2"]


async def test_another_persons_row_is_not_found_in_the_uniform_words(tools: Catalogue) -> None:
    box = desk.toolbox(tools, desk.handler(), sender=BOB)
    foreign = await box.call(call("find_order", order_id="1001"))
    absent = await box.call(call("find_order", order_id="9999"))
    malformed = await box.call(call("find_order", order_id="1001' OR 1=1 --"))
    unknown = await box.call(call("drop_tables"))
    extra = await box.call(call("find_order", order_id="1001", sender="ana@example.com"))
    for result in (foreign, absent, malformed, unknown, extra):
        assert (result.outcome, result.content, result.rows) == ("refused", UNIFORM, ())
        assert result.detail


async def test_a_write_is_staged_and_nothing_changes(tools: Catalogue) -> None:
    box = desk.toolbox(tools, desk.handler())
    result = await box.call(call("request_refund", order_id="1001"))
    assert result.outcome == "ok"
    assert result.staged is not None
    assert (result.staged.amount, result.staged.currency) == (125050, "EUR")
    again = await desk.toolbox(tools, desk.handler()).call(call("request_refund", order_id="1001"))
    assert again.outcome == "ok"


async def test_the_same_write_is_staged_once(tools: Catalogue) -> None:
    box = desk.toolbox(tools, desk.handler())
    first = await box.call(call("request_refund", 1, order_id="1001"))
    second = await box.call(call("request_refund", 2, order_id="1001"))
    assert first.staged is not None
    assert (second.outcome, second.staged) == ("ok", None)


async def test_a_guard_refuses_without_telling_the_model_why(tools: Catalogue) -> None:
    box = desk.toolbox(tools, desk.handler(), sender=BOB)
    result = await box.call(call("request_refund", order_id="1001"))
    assert (result.outcome, result.content, result.staged) == ("refused", UNIFORM, None)
    assert "There is no such order." in result.detail


@pytest.mark.parametrize("error", [Failed("The database is locked."), RuntimeError("boom")])
async def test_a_broken_database_is_a_failed_result(tools: Catalogue, error: Exception) -> None:
    async def broken(work: Callable[[], Any]) -> Any:
        raise error

    box = desk.toolbox(tools, desk.handler(), run=broken)
    result = await box.call(call("find_order", order_id="1001"))
    assert (result.outcome, result.content) == ("failed", "The tool failed. Go on without it.")
    assert "boom" not in result.detail
    assert [each.outcome for each in await box.prefetch(desk.message("x"))] == ["failed"]


async def test_restored_results_give_references_and_writes_back(tools: Catalogue) -> None:
    first = desk.toolbox(tools, desk.handler())
    results = [
        await first.call(call("find_order", 1, order_id="1002")),
        await first.call(call("request_refund", 2, order_id="1001")),
    ]
    again = desk.toolbox(tools, desk.handler())
    again.restore(results)
    assert (await again.call(call("find_order", order_id="1001"))).rows[0].reference == "order2"
    assert (await again.call(call("find_order", order_id="1002"))).rows[0].reference == "order"
    assert (await again.call(call("request_refund", order_id="1001"))).staged is None


def test_two_tools_may_share_a_name_for_their_rows() -> None:
    names = References()
    one = Tool(name="a", kind="read", description="", database="d", result="order")
    two = Tool(name="b", kind="read", description="", database="d", result="order")
    assert [row.reference for row in names.name(one, [{"x": 1}])] == ["order"]
    assert [row.reference for row in names.name(two, [{"x": 1}])] == ["order2"]


async def test_a_handler_without_tools_has_none(tools: Catalogue) -> None:
    box = desk.toolbox(tools, Handler(name="empty"))
    assert box.specs() == ()
    assert await box.prefetch(desk.message()) == ()


async def test_the_arguments_of_a_write_are_traced_to_the_senders_words_or_a_row_also_after_a_restart(
    tools: Catalogue,
) -> None:
    async def origin(box: Any) -> str:
        result = await box.call(call("request_refund", order_id="1001"))
        (trace,) = result.staged.traces
        return str(trace.origin)

    assert await origin(desk.toolbox(tools, desk.handler())) == "invented"
    assert await origin(desk.toolbox(tools, desk.handler(), words="My order 1001!")) == "sender"
    box = desk.toolbox(tools, desk.handler())
    seen = await box.call(call("find_order", order_id="1001"))
    assert await origin(box) == "rows"
    again = desk.toolbox(tools, desk.handler())
    again.restore([seen])
    assert await origin(again) == "rows"


async def test_a_model_is_shown_so_much_of_a_column_as_is_declared(tools: Catalogue) -> None:
    order = tools["find_order"]
    tools.tools["find_order"] = replace(
        order, columns={**order.columns, "note": replace(order.columns["note"], max_length=4)}
    )
    result = await desk.toolbox(tools, desk.handler()).call(call("find_order", order_id="1001"))
    assert result.content.endswith('note (untrusted)="ring"')
    assert result.rows[0].values["note"] == "ring twice"
