"""Expressions of PostgreSQL's that Django has no name for."""

from django.db.models import BigIntegerField, F, Func, Value


class HashText(Func):
    """PostgreSQL's 64-bit hash of a text: what an index on a long key needs to hold."""

    function = "hashtextextended"
    output_field = BigIntegerField()

    def __init__(self, expression: str | F) -> None:
        super().__init__(expression, Value(0))
