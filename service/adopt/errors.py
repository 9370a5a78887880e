"""What keeps an adoption from going on."""


class AdoptionError(Exception):
    """Something that the operator has to change; the message says what."""
