"""What a command has cost the servers that it asked about: told at the end of each that asks one."""

from dataclasses import dataclass


@dataclass(slots=True)
class Spent:
    """Counted up while something runs.

    ``executions`` are runs of EXPLAIN ANALYZE and ``plans`` those of plain EXPLAIN; ``statements`` are these and what
    was read of the catalog, without BEGIN and ROLLBACK. ``server_s`` is from sending each to its answer, so it holds
    the way there and back. ``copied_bytes`` were read of tables for a copy.
    """

    executions: int = 0
    plans: int = 0
    statements: int = 0
    server_s: float = 0.0
    copied_bytes: int = 0

    def __str__(self) -> str:
        done = f"{self.executions:,} executions and {self.plans:,} plans, {self.statements:,} statements in all"
        copied = f"; {self.copied_bytes / 2**20:,.1f} MiB were copied from it" if self.copied_bytes else ""
        return f"the server spent {self.server_s:.2f} s on {done}{copied}"
