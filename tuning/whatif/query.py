"""One statement of a workload, as its input counted it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Query:
    """One shape of the workload: ``sql`` has its values in it, but for a ``$1`` that is left open.

    ``refused`` says why it takes no part in the proof; ``total_ms`` and ``calls`` are what the input counted.
    """

    fingerprint: str
    text: str
    sql: str
    route: str = ""
    calls: int = 1
    total_ms: float = 0.0
    is_write: bool = False
    is_open: bool = False
    refused: str = ""

    @property
    def title(self) -> str:
        line = " ".join(self.sql.split())
        shown = line if len(line) <= 90 else f"{line[:90]} ..."
        return f"{self.route}: {shown}" if self.route else shown
