"""The plan is another one than before, and touches more.

When: the shape of the plan changed, and every run of it touches 1.5 times the blocks of before and 100 more; without
    blocks, where its cost is 1.5 times that of before.
Why: an index is gone, statistics changed, or a value is one that another plan suits; times alone are too noisy to tell.
Remedy: compare both plans: what became a scan, which estimate changed; ANALYZE, or restore the index.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.subject import Subject

NEEDS = ("plan", "before")

# Mine: pgplan takes 5 %, which noise reaches. Blocks are the same from run to run, but for a few of the catalog.
MIN_RATIO = 1.5
MIN_BLOCKS = 100


def is_more(now: float, before: float, least: float = MIN_BLOCKS) -> bool:
    """Whether so many blocks are more than noise makes of what there were before."""
    return now >= MIN_RATIO * before and now >= before + least


def check(subject: Subject) -> Iterator[Found]:
    plan, before = subject.plan, subject.before
    assert plan is not None
    assert before is not None
    if plan.shape == before.shape:
        return
    runs = [each for each in (subject.first, plan) if each is not None]
    if plan.has_blocks and before.has_blocks and plan.was_executed and before.was_executed:
        now = min(run.touched_blocks for run in runs)
        is_worse = is_more(now, before.touched_blocks)
        message = f"{now:,} blocks touched, {before.touched_blocks:,} before"
    else:
        is_worse = is_more(plan.root.total_cost, before.root.total_cost, 0)
        message = f"cost {plan.root.total_cost:,.0f}, {before.root.total_cost:,.0f} before"
    if is_worse:
        changed = f"shape {plan.shape}, before {before.shape}"
        yield Found(Outcome.FAIL, f"{message}; {changed}", plan.root)
