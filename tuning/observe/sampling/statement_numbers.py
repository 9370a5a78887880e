"""A number for each statement, so that its text is written once."""

from typing import Any

from tuning.sql_tokens import tokenize

# A statement with its own text each time (values in the text, no query ids) must not fill memory or file.
MAX_STATEMENTS = 2000
_REST = "(further statements)"


class StatementNumbers:
    """By the server's query id where it has one, else by the text without its values."""

    def __init__(self) -> None:
        self.known_ids: list[int] = []
        self._numbers: dict[int | str, int] = {}

    def of(self, query_id: int | None, text: str | None) -> tuple[int | None, dict[str, Any] | None]:
        """The number of a statement, and what is to be said of it where it is new."""
        if query_id is None and not text:
            return None, None
        key: int | str = query_id if query_id is not None else _without_values(text or "")
        if key in self._numbers:
            return self._numbers[key], None
        if len(self._numbers) >= MAX_STATEMENTS:
            key, query_id, text = _REST, None, _REST
            if key in self._numbers:
                return self._numbers[key], None
        number = self._numbers[key] = len(self._numbers) + 1
        if query_id is not None:
            self.known_ids.append(query_id)
        return number, {"number": number, "text": text or "", "query_id": query_id}


def _without_values(text: str) -> str:
    return " ".join("?" if token.kind in ("string", "number") else token.text for token in tokenize(text))
