"""The forms of a report that is lines: text, JSON, Markdown, and a page beside each of them."""

import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tuning.cli.console import fail, out, print_json
from tuning.cli.lint import EXIT_NOT_JUDGED
from tuning.reports import page


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


Form = Annotated[Format, typer.Option("--format", help="How to print the report.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
Html = Annotated[Path | None, typer.Option(help="Also write the report as a page here.")]


def show(title: str, lines: Iterable[str], document: Any, form: Format, html: Path | None) -> None:
    """Print a report, and write its page where one is wanted.

    Raises:
        typer.Exit: The page cannot be written; nothing was printed.
    """
    told = list(lines)
    write_page(html, title, page.markdown(title, told))
    match form:
        case Format.JSON:
            print_json(document)
        case Format.MARKDOWN:
            sys.stdout.write(page.markdown(title, told))
        case Format.TEXT:
            for line in told:
                out.print(line, markup=False, emoji=False)


def stopped(error: Exception) -> typer.Exit:
    """Say in one sentence why it could not be done; for ``raise ... from error``."""
    if isinstance(error, OSError) and error.filename:
        fail(f"{error.filename}: {error.strerror}")
    else:
        fail(str(error).strip())
    return typer.Exit(EXIT_NOT_JUDGED)


def write_page(html: Path | None, title: str, text: str) -> None:
    """Write a Markdown text as a page.

    Raises:
        typer.Exit: It cannot be written.
    """
    if html is None:
        return
    try:
        html.write_text(page.page(title, text), encoding="utf-8")
    except OSError as error:
        raise stopped(error) from error
