"""Who sent a statement: the first frame that is the project's own code."""

import sys
import sysconfig
from pathlib import Path
from types import FrameType

_HERE = Path(__file__).parents[1]
_PASSED_OVER = tuple(
    {
        *(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        f"{_HERE / 'capture'}/",
        f"{_HERE / 'db'}/",
        "<",
    }
)
# Deeper than any framework's own frames between a view and its statement.
MAX_FRAMES = 200


def caller() -> str | None:
    """``file:line function`` of the project's code that is being carried out; None where it is none of it."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(MAX_FRAMES):
        if frame is None:
            return None
        code = frame.f_code
        if not code.co_filename.startswith(_PASSED_OVER):
            return f"{_short(code.co_filename)}:{frame.f_lineno} {code.co_name}"
        frame = frame.f_back
    return None


def _short(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else filename
