"""What a person reads when a plan cannot be read or a statement cannot be run."""


class Unreadable(ValueError):
    """The input is no plan, no capture or no log; the message says where it stops making sense."""


class Refused(ValueError):
    """The statement is not run; nothing of it reached the server, or nothing of it was executed there."""


class TimedOut(Refused):
    """It ran into the limit of its time."""


class Locked(Refused):
    """It waited too long for a lock; another time it may not."""
