"""An index that does not exist yet, in its parts."""

import re
from dataclasses import dataclass
from hashlib import sha256

# NAMEDATALEN - 1: PostgreSQL cuts longer names, silently.
MAX_NAME_BYTES = 63
# PostgreSQL's reserved words (its documentation, appendix C): as a name each needs quotes.
_RESERVED = frozenset(
    (  # noqa: SIM905  # a paragraph is easier to compare with the documentation's
        "all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate "
        "collation column concurrently constraint create cross current_catalog current_date current_role "
        "current_schema current_time current_timestamp current_user default deferrable desc distinct do else end "
        "except false fetch for foreign freeze from full grant group having ilike in initially inner intersect into "
        "is isnull join lateral leading left like limit localtime localtimestamp natural not notnull null offset on "
        "only or order outer overlaps placing primary references returning right select session_user similar some "
        "symmetric system_user table tablesample then to trailing true union unique user using variadic verbose when "
        "where window with"
    ).split()
)
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_WORDS = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """``columns`` are key parts as SQL writes them (``a``, ``lower(b)``, ``c DESC``), ``predicate`` without WHERE."""

    schema: str
    table: str
    columns: tuple[str, ...]
    include: tuple[str, ...] = ()
    method: str = "btree"
    predicate: str | None = None
    unique: bool = False
    reason: str = ""

    @property
    def name(self) -> str:
        """A name of at most 63 bytes, the same for the same index."""
        parts = [word for column in self.columns for word in _WORDS.findall(column.lower())]
        plain = "_".join([*_WORDS.findall(self.table.lower()), *parts])
        told = repr((self.schema, self.table, self.columns, self.include, self.method, self.predicate, self.unique))
        is_all = self.method == "btree" and not self.include and self.predicate is None
        suffix = "_idx" if is_all else f"_{sha256(told.encode()).hexdigest()[:6]}_idx"
        if len(plain) + len(suffix) > MAX_NAME_BYTES:
            suffix = f"_{sha256(told.encode()).hexdigest()[:6]}_idx"
        return plain[: MAX_NAME_BYTES - len(suffix)] + suffix

    @property
    def on(self) -> str:
        """The table as SQL writes it."""
        return ".".join(quoted(part) for part in (self.schema, self.table) if part)

    def sql(self, concurrently: bool) -> str:
        """The statement that builds it."""
        return self.named(self.name, concurrently=concurrently)

    def named(self, name: str, *, concurrently: bool) -> str:
        """The statement that builds it under a name of the caller's."""
        words = ["CREATE", *(["UNIQUE"] if self.unique else []), "INDEX", *(["CONCURRENTLY"] if concurrently else [])]
        return f"{' '.join(words)} {quoted(name)} ON {self.on} {self.rest}"

    @property
    def rest(self) -> str:
        """What follows the table."""
        using = "" if self.method == "btree" else f"USING {self.method} "
        include = f" INCLUDE ({', '.join(self.include)})" if self.include else ""
        where = f" WHERE {self.predicate}" if self.predicate else ""
        return f"{using}({', '.join(self.columns)}){include}{where}"


def quoted(name: str) -> str:
    """A name as SQL writes it, in quotes only where it needs them."""
    return name if _PLAIN.fullmatch(name) and name not in _RESERVED else '"' + name.replace('"', '""') + '"'
