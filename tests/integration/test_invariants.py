"""Which test proves which of the 25 invariants of a reservation; each name must be a test that is collected."""

from importlib import import_module

import pytest

PROOF = {
    1: ["hammer.hammer_never_fails_and_every_snapshot_is_right", "audit.invariant_finds_its_fault",
        "state_machine.histories_agree_with_the_model"],
    2: ["audit.direct_update_that_oversells_is_rejected", "hammer.hammer_never_fails_and_every_snapshot_is_right"],
    3: ["races.race_sells_exactly_the_units_there_are", "races.race_fails_without_the_guard"],
    4: ["stock_modes.every_unit_can_be_had_however_they_are_split", "state_machine.histories_agree_with_the_model"],
    5: ["strategies.cart_gives_a_row_for_each_line_or_none", "reserve_stock.cart_is_reserved_whole_or_not_at_all"],
    6: ["hammer.hammer_never_fails_and_every_snapshot_is_right", "hammer.hammer_finds_locks_that_are_not_sorted"],
    7: ["strategies.twenty_calls_with_one_key_give_one_order_twenty_times",
        "strategies.key_still_counts_a_day_after_its_hold_ended", "races.calls_with_one_key_make_one_reservation"],
    8: ["interleavings.connection_killed_after_the_commit_is_retried_to_the_same_order",
        "interleavings.connection_killed_before_the_commit_leaves_nothing_and_the_retry_reserves"],
    9: ["interleavings.pair_is_serial", "interleavings.of_two_ends_one_wins_and_the_other_waits",
        "interleavings.payment_buys_one_of_two_orders"],
    10: ["strategies.lifetime_is_whole_after_two_seconds_for_one_line_and_many",
         "strategies.lifetime_is_whole_after_a_wait_for_the_lock"],
    11: ["lifecycle.due_hold_never_blocks_a_reserve_that_needs_it", "lifecycle.reclaim_is_bounded",
         "order_rules.two_sweepers_end_ten_thousand_due_holds_once",
         "order_rules.buyers_own_due_hold_does_not_count_to_the_limit"],
    12: ["lifecycle.paying_hold_outlives_its_ttl", "order_rules.payment_window_is_longer_than_the_hold",
         "lifecycle.late_confirm_is_refused_unless_its_policy_reacquires"],
    13: ["lifecycle.replace_lets_the_last_unit_be_reserved_again",
         "interleavings.replacement_that_loses_a_race_keeps_what_was_held"],
    14: ["interleavings.limit_is_looked_at_again_under_the_lock",
         "strategies.fifty_calls_under_a_limit_of_two_give_two_units",
         "order_rules.waiting_list_is_no_way_around_the_limit"],
    15: ["hammer.observer_finds_a_counter_that_changes_without_its_ledger_row", "lifecycle.ledger_refuses_change",
         "many.batch_of_one_counter_is_one_update_and_one_ledger_row"],
    16: ["lifecycle.injected_drift_is_found_and_the_repair_is_in_the_ledger"],
    17: ["strategies.reservation_is_one_statement", "strategies.every_other_operation_is_one_statement",
         "hammer.hold_of_one_product_is_two_inserts_and_one_update"],
    18: ["strategies.locked_row_is_busy_at_lock_timeout_and_nothing_is_written",
         "reserve_stock.acceptance_is_busy_at_lock_timeout_and_writes_nothing"],
    19: ["strategies.sold_out_is_told_at_once_while_the_row_is_locked",
         "reserve_stock.refusal_answers_while_the_row_is_locked"],
    20: ["lifecycle.stock_feed_applies_each_key_once", "lifecycle.adjustment_needs_the_version_that_was_counted"],
    21: ["order_rules.availability_of_a_hundred_products_is_one_statement_clamped_for_each_location",
         "lifecycle.availability_of_many_products_is_one_statement"],
    22: ["answers.older_version_never_overwrites_a_newer_one_in_redis",
         "answers.stalled_reader_does_not_bring_back_what_was_before",
         "answers.position_orders_whatever_two_readers_saw",
         "changes_told.reservation_sends_redis_nothing_but_coalesced_notices",
         "strategies.admission_does_not_believe_the_cache"],
    23: ["order_rules.events_are_written_with_the_change_or_not_at_all"],
    24: ["lifecycle.waiting_list_is_served_in_order_and_walk_ins_are_not",
         "order_rules.walk_in_cannot_take_what_others_wait_for"],
    25: ["many.batch_equals_the_calls_in_order", "many.batches_over_the_same_products_and_keys_never_deadlock",
         "state_machine.histories_agree_with_the_model", "order_rules.batch_tells_the_limit_before_the_shortage"],
}  # fmt: skip


@pytest.mark.parametrize("invariant", range(1, 26))
def test_invariant_has_its_tests(invariant: int) -> None:
    assert PROOF[invariant]
    for name in PROOF[invariant]:
        module, _, function = name.partition(".")
        assert callable(getattr(import_module(f"tests.integration.test_{module}"), f"test_{function}")), name
