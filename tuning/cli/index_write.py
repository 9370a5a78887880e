"""``hotrow index write``."""

import typer


def register(group: typer.Typer) -> None:
    pass
