"""Most of the time goes into one node.

When: a node takes 40 % of the time by itself. It is no fault, and is told as a fact: what is found there comes first.
Why: a statement gets faster where its time is spent, and nowhere else.
Remedy: begin with the findings of this node.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual", "timing")

# pev2's second colour.
MIN_OWN_SHARE = 0.40


def check(subject: Subject) -> Iterator[Found]:
    plan = subject.plan
    assert plan is not None
    node = max(plan.nodes, key=lambda each: plan.own(each).ms)
    if plan.own_share(node) >= MIN_OWN_SHARE and subject.matters(node):
        yield Found(Outcome.OK, f"{plan.own_share(node):.0%} of {plan.total_ms:,.1f} ms are its own", node)
