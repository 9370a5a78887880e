"""What a person reads when the stack cannot do what was asked."""


class StackError(Exception):
    """Something of the local stack failed; the message says what to do about it."""


class PartDied(StackError):
    """A process of the stack ended without being asked to."""
