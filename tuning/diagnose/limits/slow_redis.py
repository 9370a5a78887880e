"""Redis answers slowly, and every request asks it.

When: a PING takes 5 ms or more at the median, and the commands of a request, each as long as that, are a fifth of its
time or more.
Why: Redis has one thread for commands: one that takes long (KEYS, a large value, a script) delays all others, and a
Redis far away or short of a processor delays each by as much. A cache that takes longer than the database is none.
Remedy: SLOWLOG GET names long commands; look at its processor and at the way to it; fewer commands by request (MGET),
or no cache in front of what the database answers faster.
"""

from collections.abc import Iterator

from tuning.contract import Outcome
from tuning.diagnose.findings import Found
from tuning.diagnose.limits import outcome
from tuning.diagnose.quantities import number, share, time
from tuning.diagnose.run import Run
from tuning.diagnose.split import part_of_held, throughput_per_s

NEEDS = ("redis",)

# Ours: over a network of one data centre a PING takes under 1 ms, and a busy host makes 2 or 3 of it.
SLOW_S = 0.005

ALLOWED = "commands that are sent together (a pipeline) take one way and count as many: the share is the most it can be"


def check(run: Run) -> Iterator[Found]:
    redis = run.seen.redis
    assert redis is not None
    at_a_time = redis.operations_per_s * redis.ping_s
    part = part_of_held(run, at_a_time)
    each = redis.operations_per_s / throughput_per_s(run, run.seen)
    figures = {"share": part, "ping_s": redis.ping_s, "commands": each, "redis_cores": redis.cores}
    message = f"a PING of Redis took {time(redis.ping_s)}, with {number(each)} commands by request"
    if redis.ping_s < SLOW_S:
        yield Found(Outcome.OK, message, figures=figures)
        return
    message += f": at most {share(part)} of a request's time; Redis used {share(redis.cores)} of a core"
    yield Found(outcome(part), message, "commands by request x PING", figures, ALLOWED)
