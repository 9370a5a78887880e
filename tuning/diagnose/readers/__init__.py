"""Read what load generators write, whatever state it is in: figures, or one sentence that says why there are none."""

from collections.abc import Sequence
from dataclasses import replace

from tuning.diagnose.figures import LoadFigures
from tuning.diagnose.readers import json_values, locust_csv, locust_json, own_json
from tuning.diagnose.readers.documents import Document, Unreadable


def read(documents: Sequence[Document], configuration: str | None = None) -> LoadFigures:
    """Read the statistics among the documents, and what a history and failures add.

    A history or failures that cannot be read are named among what is missing.

    Raises:
        Unreadable: There are no statistics, more than one, or none that can be judged.
    """
    figures: list[LoadFigures] = []
    beside: list[tuple[Document, tuple[str, ...]]] = []
    for document in documents:
        if document.text.lstrip()[0] in "[{":
            figures.append(_json(document, configuration))
        elif (kind := locust_csv.kind(document)) == locust_csv.STATS:
            figures.append(locust_csv.read(document))
        else:
            beside.append((document, kind))
    if len(figures) != 1:
        names = ", ".join(document.name for document in documents)
        raise Unreadable(f"{len(figures)} of these hold statistics, and one must: {names}")
    found = figures[0]
    if configuration and found.configuration is None:
        raise Unreadable(f"--configuration is for the kit's own result, and {found.source} is none")
    for document, kind in beside:
        found = _with(found, document, kind)
    return found


def _json(document: Document, configuration: str | None) -> LoadFigures:
    value = json_values.parse(document)
    if isinstance(value, list):
        return locust_json.read(document, value)
    return own_json.read(document, value, configuration)


def _with(found: LoadFigures, document: Document, kind: tuple[str, ...]) -> LoadFigures:
    try:
        if kind == locust_csv.FAILURES:
            return replace(found, failed=locust_csv.read_failures(document))
        if kind == locust_csv.HISTORY:
            history, missing = locust_csv.read_history(document)
            return replace(found, history=history, missing=(*found.missing, *missing))
    except Unreadable as error:
        return replace(found, missing=(*found.missing, f"{error}; {document.name} was left out"))
    return replace(found, missing=(*found.missing, f"{document.name} was left out: exceptions of users are not judged"))
