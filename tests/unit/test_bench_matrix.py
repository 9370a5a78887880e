"""Which rows the SQL benchmark measures, and in which order."""

import pytest

from tuning.bench import matrix
from tuning.bench.matrix import Case


def test_full_matrix_measures_every_single_call_with_every_number_of_clients() -> None:
    rows = set(matrix.full())
    assert {Case(name, clients) for name in matrix.SINGLE for clients in matrix.CLIENTS} <= rows
    assert {case.batch for case in rows if case.strategy == "batched"} == {10, 50, 200, 1_000, 8_000}
    assert {case.path for case in rows} == {"direct", "pgbouncer"}
    assert {case.scope for case in rows} == {"hot", "spread"}
    assert {case.synchronous_commit for case in rows} == {"on", "off"}
    assert any(case.refused for case in rows)


def test_full_matrix_fits_into_its_time() -> None:
    # 3 rounds of 5 s, and about 2 s to prepare each.
    assert len(matrix.full()) == len(set(matrix.full()))
    assert 15 <= len(matrix.full()) * 3 * (5 + 2) / 60 <= 25


def test_quick_matrix_is_under_two_minutes() -> None:
    assert len(matrix.quick()) * 2 * (2 + 2) < 120


def test_exact_is_every_combination_of_what_is_given() -> None:
    rows = matrix.exact([2, 3], [10, 20], ["direct"], ["hot"])
    assert {case.clients for case in rows} == {2, 3}
    assert sum(case.strategy == "batched" for case in rows) == 4
    assert sum(case.strategy == "function" for case in rows) == 2


def test_exact_has_one_value_for_what_is_not_given() -> None:
    rows = matrix.exact([], [], [], [])
    assert {(case.clients, case.path, case.scope) for case in rows} == {(4, "direct", "hot")}
    assert {case.batch for case in rows} == {0, 1_000}


def test_exact_converts_no_thousand_products() -> None:
    names = {case.strategy for case in matrix.exact([], [], [], ["spread"])}
    assert names == set(matrix.STRATEGIES) - set(matrix.HOT_ONLY)


def test_of_keeps_what_can_be_measured_and_each_row_once() -> None:
    rows = [Case("function", 4), Case("function", 4), Case("function", 4, path="pgbouncer"), Case("units", 4)]
    assert matrix.of(rows, {"function"}, has_pgbouncer=False) == [Case("function", 4)]
    assert len(matrix.of(rows, {"function", "units"}, has_pgbouncer=True)) == 3


@pytest.mark.parametrize("rounds", [1, 2, 3, 7])
def test_rotated_measures_every_row_once_and_begins_elsewhere(rounds: int) -> None:
    rows = [Case("function", clients) for clients in range(1, 11)]
    orders = [matrix.rotated(rows, number, rounds) for number in range(rounds)]
    assert all(sorted(order, key=lambda case: case.clients) == rows for order in orders)
    assert len({order[0] for order in orders}) == rounds


def test_title_says_what_is_unusual() -> None:
    case = Case("batched", 4, 1_000, "pgbouncer", "spread", "off")
    assert case.title == "batched, 4 clients, pgbouncer, spread, batch 1,000, synchronous_commit off"
    assert Case("function", 4, refused=True).title.endswith("sold out")
