"""prepare_threshold does nothing.

When: prepare_threshold is set and server_side_binding is not True.
Why: Django's cursors put the values into the text on the client's side; such statements are never prepared.
Remedy: OPTIONS["server_side_binding"] = True as well, after a look at what it changes; or neither.
"""

from collections.abc import Iterator

from tuning.chain.findings import Found
from tuning.contract import Outcome
from tuning.observe.chain import Chain

NEEDS = ("project",)


def check(chain: Chain) -> Iterator[Found]:
    for alias in chain.aliases:
        if alias.options.get("prepare_threshold") is not None and alias.options.get("server_side_binding") is not True:
            yield Found(Outcome.WARN, "sets prepare_threshold without server_side_binding", alias.name)
