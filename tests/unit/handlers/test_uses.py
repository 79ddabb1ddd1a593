from handlers.uses import Use, foreign, uses


def test_references_and_columns_are_found_with_their_lines() -> None:
    source = "{{ order.total }}\n{% if order2.status == 'x' %}{{ customer.name }}{% endif %}"
    assert set(uses(source)) == {
        Use(line=1, reference="order"),
        Use(line=1, reference="order", column="total"),
        Use(line=2, reference="order"),
        Use(line=2, reference="order", column="status"),
        Use(line=2, reference="customer"),
        Use(line=2, reference="customer", column="name"),
    }


def test_the_variable_of_a_loop_stands_for_the_rows_that_it_goes_through() -> None:
    source = "{% for each in every.recent %}{{ each.total }}{{ loop.index }}{% endfor %}"
    assert set(uses(source)) == {
        Use(line=1, reference="recent", column="total"),
        Use(line=1, reference="recent"),
    }


def test_names_of_the_template_itself_are_no_references() -> None:
    assert not list(uses("{% set word = 'x' %}{{ word }} {{ sender.name }} {{ language }}"))


def test_reaching_for_another_file_is_found() -> None:
    assert list(foreign("a\n{% include 'b' %}\n{% extends 'c' %}")) == [(2, "include"), (3, "extends")]
