"""The server's counters are young.

When: they were reset under seven days ago, or as many as --since-days says. Where they were never reset, the age is
    since the server's start, and may be longer.
Why: what runs once a week has left no trace. So what claims that an index or table is not used says SKIP until then.
Remedy: wait, and reset no statistics by habit. After a crash or a failover they begin anew.
"""

from collections.abc import Iterator

from tuning.advisors.findings import Found
from tuning.advisors.subject import Subject
from tuning.contract import Outcome

NEEDS = ("database",)
WEIGHT = 1


def check(subject: Subject) -> Iterator[Found]:
    message = f"counters are {subject.days:.1f} days old"
    if subject.days < subject.min_days:
        text = f"{message}, and {subject.min_days:g} are needed: claims of disuse wait for them"
        yield Found(Outcome.WARN, text)
    else:
        yield Found(Outcome.OK, message)
