"""Walk over the tokens of one statement: accept keywords, read names, cut lists at their commas."""

from tuning.migrations.actions import Name
from tuning.sql_tokens import Token


class Reader:
    """A position in a run of tokens; nothing here raises, since a script may hold anything."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self.tokens = tokens
        self.at = 0

    @property
    def start(self) -> int:
        """The offset of the next token, or of the last one where none is left."""
        if not self.tokens:
            return 0
        return self.tokens[min(self.at, len(self.tokens) - 1)].start

    @property
    def rest(self) -> tuple[Token, ...]:
        return self.tokens[self.at :]

    def peek(self, ahead: int = 0) -> Token | None:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else None

    def keyword(self, ahead: int = 0) -> str:
        token = self.peek(ahead)
        return token.keyword if token else ""

    def accept(self, *words: str) -> bool:
        """Step over the words if they are what comes next."""
        if all(self.keyword(ahead) == word for ahead, word in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def accept_any(self, *words: str) -> str:
        """Step over the next word if it is one of these, and return it."""
        found = self.keyword()
        if found and found in words:
            self.at += 1
            return found
        return ""

    def operator(self, text: str) -> bool:
        token = self.peek()
        if token is not None and token.text == text:
            self.at += 1
            return True
        return False

    def name(self) -> Name | None:
        """Read ``name``, ``schema.name`` or ``catalog.schema.name``."""
        parts = []
        while (token := self.peek()) is not None and token.kind in ("word", "quoted"):
            parts.append(token.identifier)
            self.at += 1
            if not self.operator("."):
                break
        if not parts:
            return None
        return Name(parts[-1], parts[-2] if len(parts) > 1 else None)

    def identifier(self) -> str:
        token = self.peek()
        if token is None or token.kind not in ("word", "quoted"):
            return ""
        self.at += 1
        return token.identifier

    def parenthesised(self) -> tuple[Token, ...]:
        """Read what stands between the parenthesis that comes next and its partner."""
        if not self.operator("("):
            return ()
        begin, depth = self.at, 1
        while (token := self.peek()) is not None:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            self.at += 1
            if depth == 0:
                return self.tokens[begin : self.at - 1]
        return self.tokens[begin:]

    def until(self, *words: str) -> None:
        """Step forward to one of the words outside of parentheses, or to the end."""
        depth = 0
        while (token := self.peek()) is not None:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if depth == 0 and token.keyword in words:
                return
            self.at += 1


def referenced(tokens: tuple[Token, ...]) -> Name | None:
    """The table that a foreign key leads to, where the tokens hold one."""
    reader = Reader(tokens)
    reader.until("REFERENCES")
    return reader.name() if reader.accept("REFERENCES") else None


def cut_at_commas(tokens: tuple[Token, ...]) -> list[tuple[Token, ...]]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return [tuple(part) for part in parts if part]
