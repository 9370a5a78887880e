"""Take off what psql, pgAdmin, logs and mail put around a plan."""

import re

_RULE = re.compile(r"^[-+=|─┌└├┐┘┤ ]*[-─]{3,}[-+=|─┌└├┐┘┤ ]*$")
_HEADING = re.compile(r'^\s*["|│]?\s*QUERY PLAN\s*["|│]?\s*$')
_COUNT = re.compile(r"^\(\d+ rows?\)$")
_TIMING = re.compile(r"^Time: [\d.]+ ms")


def unwrap(text: str) -> str:
    """Return the plan's own lines: without headings, borders, ``+`` at line ends, quotes and counts of rows.

    Lines keep their indentation, which is what the text form tells its tree by.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff").split("\n")
    kept = [line for line in lines if not _is_frame(line)]
    kept = [_bordered(line) for line in kept]
    if sum(line.rstrip().endswith("+") for line in kept) >= max(1, len([line for line in kept if line.strip()]) - 1):
        kept = [re.sub(r"\s*\+\s*$", "", line) for line in kept]
    kept = _unquoted(kept)
    return "\n".join(line.rstrip() for line in kept)


def _is_frame(line: str) -> bool:
    stripped = line.strip()
    return bool(_HEADING.match(line) or _RULE.match(stripped) or _COUNT.match(stripped) or _TIMING.match(stripped))


def _bordered(line: str) -> str:
    """Take psql's border (``\\pset border 2``) off a line."""
    match = re.fullmatch(r"\s*[|│] ?(.*?)\s*[|│]\s*", line)
    return match.group(1) if match else line


def _unquoted(lines: list[str]) -> list[str]:
    """Take off the quotes of pgAdmin's copy: around each line, or around the whole with inner quotes doubled."""
    filled = [line.strip() for line in lines if line.strip()]
    if filled and all(len(line) > 1 and line[0] == line[-1] == '"' for line in filled):
        return [line.strip()[1:-1].replace('""', '"') for line in lines if line.strip()]
    if filled and filled[0].startswith('"') and filled[-1].endswith('"') and not filled[0].endswith('"'):
        whole = "\n".join(lines).strip()[1:-1].replace('""', '"')
        return whole.split("\n")
    return lines
