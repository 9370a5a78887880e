"""Whether a group of processes has no processor time left, by the utilisation law."""

from tuning.contract import Outcome
from tuning.diagnose import laws
from tuning.diagnose.evidence.processes import Processors
from tuning.diagnose.findings import Found
from tuning.diagnose.quantities import number, share

# Ours: utilisation from which on a queue in front of it is its own doing: at 0.8 one server's queue is as long as four
# of its services (M/M/1).
BUSY = 0.8
# Ours: with less of the host idle, whoever used most had to wait for a processor.
LITTLE_IDLE = 0.1


def taken(processors: Processors, name: str, called: str, can: float) -> Found:
    """Judge one group that can use so many cores."""
    group = processors.groups[name]
    part = group.cores / can
    figures = {"share": part, "used_cores": group.cores, "cores": float(processors.cores)}
    message = f"{called} used {number(group.cores)} of {number(can)} cores that it can use, {share(part)}"
    most = max(each.cores for each in processors.groups.values())
    if processors.idle is not None:
        figures["idle_share"] = processors.idle
        message += f"; {share(processors.idle)} of the host was idle"
    if processors.steal:
        message += f", {share(processors.steal)} was taken by other guests"
    is_short = processors.idle is not None and processors.idle < LITTLE_IDLE and group.cores == most
    bad = Outcome.FAIL if part >= BUSY else Outcome.WARN if is_short else Outcome.OK
    return Found(bad, message, laws.UTILISATION, figures)
