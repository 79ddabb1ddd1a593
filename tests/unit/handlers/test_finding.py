import pytest

from handlers import finding
from tools.parameter import Parameter
from tools.tool import Tool


def tool(**params: Parameter) -> Tool:
    return Tool(name="t", kind="read", description="d", database="shop", params=params)


NUMBER = Parameter(type="string", pattern=r"^\d{4}$", find=r"(?i)order (\d{4})\b")


def test_each_distinct_value_is_one_call_in_the_order_of_the_text() -> None:
    found = finding.arguments(tool(order_id=NUMBER), "order 1002, order 1001, Order 1002")
    assert list(found) == [{"order_id": "1002"}, {"order_id": "1001"}]


def test_there_are_at_most_three_calls() -> None:
    text = " ".join(f"order 100{digit}" for digit in range(6))
    assert len(list(finding.arguments(tool(order_id=NUMBER), text))) == 3


def test_a_required_value_that_is_not_there_means_no_call() -> None:
    assert not list(finding.arguments(tool(order_id=NUMBER, year=NUMBER), "nothing"))


def test_a_tool_without_parameters_is_called_once() -> None:
    assert list(finding.arguments(tool(), "anything")) == [{}]


def test_an_optional_value_is_left_out_unless_it_is_all_there_is() -> None:
    optional = Parameter(type="string", pattern="^[A-Z]{3}$", required=False)
    assert list(finding.arguments(tool(order_id=NUMBER, code=optional), "order 1001")) == [
        {"order_id": "1001", "code": None}
    ]
    assert not list(finding.arguments(tool(code=optional), "nothing here"))


def test_a_parameter_without_a_pattern_is_not_found() -> None:
    assert not list(finding.arguments(tool(name=Parameter(type="string")), "Ana"))


@pytest.mark.parametrize(
    ("text", "values"),
    [("1001", ["1001"]), ("(1001).", ["1001"]), ("21001 1001-2 x1001 3.1001 10012", []), ("$1001", ["1001"])],
)
def test_a_pattern_is_looked_for_as_a_word_of_its_own(text: str, values: list[str]) -> None:
    plain = Parameter(type="string", pattern=r"^\d{4}$")
    assert [found["order_id"] for found in finding.arguments(tool(order_id=plain), text)] == values


def test_a_whole_number_is_one() -> None:
    whole = Parameter(type="integer", find=r"#(\w+)")
    assert list(finding.arguments(tool(number=whole), "#12 #x")) == [{"number": 12}]


def test_a_pattern_keeps_an_escaped_dollar() -> None:
    assert finding.patterns(tool(code=Parameter(type="string", pattern=r"^a\$"))) == {
        "code": r"(?<![\w.-])(a\$)(?![\w-])"
    }
