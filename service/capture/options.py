"""The Django setting ``HOTROW_CAPTURE``, checked when the middleware is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

# Parts of names whose values are kept out of the file, in lower case.
REDACTED = ("password", "passwd", "secret", "token", "email", "phone", "iban", "card")
# A tenth of a small disk for each process, at some 700 bytes a statement 90,000 statements.
MAX_MIB = 64
_NAMES = {"DIRECTORY", "SHARE", "REDACT", "REDACT_CALLS", "MAX_MIB"}


@dataclass(frozen=True, slots=True)
class Options:
    """``share`` of requests is captured, 0 to 1; ``redacted_calls`` are functions whose parameters are all kept out."""

    directory: Path
    share: float
    redacted: tuple[str, ...]
    redacted_calls: tuple[str, ...]
    max_bytes: int

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Options":
        """Read the setting.

        Raises:
            ImproperlyConfigured: A name is unknown, the directory is missing, or a number out of its range.
        """
        if unknown := sorted(set(given) - _NAMES):
            raise ImproperlyConfigured(f"HOTROW_CAPTURE does not know {', '.join(unknown)}: use {sorted(_NAMES)}")
        if "DIRECTORY" not in given:
            raise ImproperlyConfigured('HOTROW_CAPTURE needs a "DIRECTORY" to write to')
        share, max_mib = given.get("SHARE", 0.01), given.get("MAX_MIB", MAX_MIB)
        if not 0 <= share <= 1 or max_mib <= 0:
            raise ImproperlyConfigured("HOTROW_CAPTURE: SHARE is 0 to 1, and MAX_MIB above 0")
        return cls(
            directory=Path(given["DIRECTORY"]),
            share=share,
            redacted=tuple(word.lower() for word in (*REDACTED, *given.get("REDACT", ()))),
            redacted_calls=tuple(word.lower() for word in given.get("REDACT_CALLS", ())),
            max_bytes=int(max_mib * 2**20),
        )
