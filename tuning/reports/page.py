"""A report that is lines or Markdown as Markdown and as one HTML page that needs no network."""

from collections.abc import Iterable
from html import escape

from markdown_it import MarkdownIt

from tuning.reports.explain_text import escaped

_STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h2 { border-top: 1px solid var(--line); font-size: 1.1rem; margin-top: 2rem; padding-top: 1rem; }
h2, li, p, td { overflow-wrap: anywhere; }
pre, code { font-family: ui-monospace, monospace; font-size: 13px; }
pre { border: 1px solid var(--line); overflow-x: auto; padding: .5rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
td, th { border-bottom: 1px solid var(--line); padding: .2rem .5rem; text-align: left; vertical-align: top; }
"""


def markdown(title: str, lines: Iterable[str]) -> str:
    """The lines of a report as a list: an indented one belongs to the one before it, a statement is code."""
    parts = [f"# {title}", ""]
    for line in lines:
        text = line.strip()
        if text:
            indent = "    " if line.startswith(" ") else ""
            parts.append(f"{indent}- {_code(text) if text.endswith(';') else escaped(text)}")
    return "\n".join(parts) + "\n"


def page(title: str, text: str) -> str:
    """The page of a Markdown text; HTML in it stays text."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _code(text: str) -> str:
    # A code span ends at as many backticks as began it.
    return f"`` {text} ``" if "`" in text else f"`{text}`"
