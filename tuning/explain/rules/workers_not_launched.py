"""A parallel plan got fewer workers than it was made for.

When: a Gather launched fewer workers than planned.
Why: the plan was chosen for its workers; without them it is slower than the plan that was not chosen.
Remedy: raise max_parallel_workers and max_worker_processes where processors are idle; otherwise lower
    max_parallel_workers_per_gather.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.explain.findings import Found
from tuning.explain.subject import Subject

NEEDS = ("plan", "actual")


def check(subject: Subject) -> Iterator[Found]:
    assert subject.plan is not None
    for node in subject.plan.nodes:
        planned, launched = node.number("Workers Planned"), node.number("Workers Launched")
        if node.was_executed and "Workers Launched" in node.properties and launched < planned:
            yield Found(Outcome.WARN, f"{launched:.0f} of {planned:.0f} workers were launched", node)
