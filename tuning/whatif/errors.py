"""What a person reads when an index cannot be proven, written or built."""


class Unproven(ValueError):
    """The proof cannot be had; the message says why and what to do. The target is as it was."""


class Unwritten(ValueError):
    """A file or a migration cannot be written; the message says why. Nothing was written."""


class NotApplied(ValueError):
    """The target refuses the index, or it could not be used; the message says what is left there."""
