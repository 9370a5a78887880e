"""A proof of indexes as lines for a person."""

from collections.abc import Iterable

from tuning.whatif.copying import told
from tuning.whatif.dropping import Judged
from tuning.whatif.proof import Proof, Proven
from tuning.whatif.query import Query
from tuning.whatif.writes import Writes

# More statements than these are in --json.
MOST_EFFECTS = 10


def proven(found: Proven) -> list[str]:
    lines: list[str] = []
    for each in found.proofs:
        lines += [*_proof(each), ""]
    return [*lines, *_rest(found.skipped, (*found.notes, str(found.spent)))]


def judged(found: Judged) -> list[str]:
    lines = []
    for each in found.judgements:
        saves = f", {each.wal_saved:,.0f} B of WAL less a row written" if each.wal_saved else ""
        lines.append(f"{each.verdict.value.upper()} {each.index.shown} on {each.index.table}")
        lines.append(f"    {told(each.index.bytes)}{saves}: {each.reason}")
    return [*lines, "", *_rest(found.skipped, (*found.notes, str(found.spent)))]


def _proof(proof: Proof) -> list[str]:
    lines = [f"{proof.verdict.value.upper()} {proof.definition.name}: {proof.reason}"]
    lines.append(f"    {proof.definition.sql(concurrently=True)}")
    if proof.before is not None:
        lines.append(f"    {told(proof.bytes)}, built in {proof.build_s:.1f} s in the copy")
    for each in proof.effects[:MOST_EFFECTS]:
        ms = (
            ""
            if each.before.ms is None or each.after.ms is None
            else f", {each.before.ms:.2f} to {each.after.ms:.2f} ms"
        )
        lines.append(
            f"    {each.before.measure:,.0f} to {each.after.measure:,.0f} {each.before.unit}{ms}: "
            f"{each.before.query.title}"
        )
    if proof.before is not None and proof.after is not None:
        lines += _writes(proof.before, proof.after)
    for cost in proof.costs[:MOST_EFFECTS]:
        lines.append(f"    HypoPG on the target: cost {cost.without:,.0f} to {cost.with_it:,.0f}: {cost.query.title}")
    return lines


def _writes(before: Writes, after: Writes) -> Iterable[str]:
    for verb, old, new in (("INSERT", before.insert, after.insert), ("UPDATE", before.update, after.update)):
        if old is not None and new is not None:
            yield (
                f"    {verb} of a row: {old.blocks:.1f} to {new.blocks:.1f} blocks, {old.wal_bytes:,.0f} to "
                f"{new.wal_bytes:,.0f} B of WAL, {old.ms * 1000:.0f} to {new.ms * 1000:.0f} us"
            )
    if before.hot_ratio is not None and after.hot_ratio is not None:
        changed = ", ".join(after.updated)
        yield f"    HOT updates ({changed}): {before.hot_ratio:.0%} to {after.hot_ratio:.0%}"
    elif after.why_not:
        yield f"    UPDATE was not measured: {after.why_not}"


def _rest(skipped: Iterable[Query], notes: Iterable[str]) -> list[str]:
    lines = [f"SKIP {each.title}: {each.refused or 'the copy refuses it'}" for each in skipped]
    return [*lines, *(f"Note: {each}." for each in notes)]
