"""Each remedy of the report: what it predicts, what was measured alone and stacked, and whether that held."""

from collections.abc import Mapping, Sequence
from typing import Any

from tuning.lab.published import Prediction
from tuning.lab.rungs import BASELINE

FORMAT = "hotrow-remedies/1"
TITLES = ("#", "remedy", "the report predicts", "alone", "stacked", "verdict", "evidence")
# A rung that refused more than the report allows itself is no improvement, however fast it refused.
MAX_FAILED_PERCENT = 0.1
HELD, NOT, PARTLY, UNKNOWN = "held", "did not hold", "held in part", "not measured"


def document(
    predictions: Sequence[Prediction],
    ladders: Mapping[str, dict[str, Any] | None],
    answers: Mapping[str, str],
) -> dict[str, Any]:
    """Hold the ladders against the predictions.

    Args:
        ladders: The documents of ``alone`` and ``stacked``, None where it was not climbed.
        answers: By folder of a run (``ladder-alone/gevent-1``), what limited it.
    """
    return {
        "format": FORMAT,
        "conditions": {name: found["conditions"] for name, found in ladders.items() if found is not None},
        "remedies": [_remedy(each, ladders, answers) for each in predictions],
    }


def rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    """The table, a row for each prediction under ``TITLES``."""
    return [
        (
            str(each["remedy"]),
            each["rung"] or "",
            each["predicts"],
            _measured(each["alone"]),
            _measured(each["stacked"]),
            each["verdict"],
            each["evidence"],
        )
        for each in found["remedies"]
    ]


def markdown(found: dict[str, Any]) -> str:
    """The document for people."""
    lines = ["# What the report predicts, and what was measured", ""]
    for name, asked in found["conditions"].items():
        load = f"{asked['rate']:g} requests/s due" if asked["rate"] else "closed"
        lines.append(
            f"- {name}: {asked['users']:,} users started at {asked['spawn_rate']}/s, {load}, {asked['seconds']} s, "
            f"{asked['rounds']} round(s)"
        )
    lines += [
        "",
        "In times of what it was: alone upon the baseline, stacked upon the rung before.",
        "",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in (TITLES, ["---"] * len(TITLES), *rows(found))]
    return "\n".join(lines) + "\n"


def _remedy(
    prediction: Prediction, ladders: Mapping[str, dict[str, Any] | None], answers: Mapping[str, str]
) -> dict[str, Any]:
    measured = {name: _ratio(prediction, name, ladders.get(name)) for name in ("alone", "stacked")}
    known = [each for each in measured.values() if each is not None]
    if prediction.figure is None:
        verdict = "nothing to be measured"
    elif not known:
        verdict = UNKNOWN
    else:
        held = [each["is_held"] for each in known]
        verdict = HELD if all(held) else PARTLY if any(held) else NOT
    whys = [f"{each['folder']}: {answers[each['folder']]}" for each in known if each["folder"] in answers]
    return {
        "remedy": prediction.remedy,
        "rung": prediction.rung,
        "predicts": prediction.says,
        "figure": prediction.figure,
        "ratio": prediction.ratio,
        "is_more": prediction.is_more,
        **measured,
        "verdict": verdict,
        "evidence": " ".join(whys) or prediction.elsewhere,
    }


def _ratio(prediction: Prediction, name: str, ladder: dict[str, Any] | None) -> dict[str, Any] | None:
    """The figure of the remedy's rung in times of what it was without; None where one of them is missing."""
    if ladder is None or prediction.figure is None or prediction.ratio is None:
        return None
    names = [each["name"] for each in ladder["rungs"]]
    if prediction.rung not in names or BASELINE not in names or prediction.rung == BASELINE:
        return None
    at = names.index(prediction.rung)
    before = ladder["rungs"][0 if name == "alone" else at - 1]
    after = ladder["rungs"][at]
    was, now = before["figures"].get(prediction.figure), after["figures"].get(prediction.figure)
    if not was or not now or not was["median"]:
        return None
    ratio = now["median"] / was["median"]
    failed = after["figures"]["failed_percent"]["median"]
    is_reached = ratio >= prediction.ratio if prediction.is_more else ratio <= prediction.ratio
    return {
        "was": was["median"],
        "now": now["median"],
        "ratio": round(ratio, 4),
        "failed_percent": failed,
        "is_held": is_reached and failed <= MAX_FAILED_PERCENT,
        "folder": f"{'ladder-alone' if name == 'alone' else 'ladder'}/{prediction.rung}-1",
    }


def _measured(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    failed = f", {found['failed_percent']:.1f} % failed" if found["failed_percent"] > MAX_FAILED_PERCENT else ""
    return f"{found['ratio']:.2f}x ({found['was']:,.1f} to {found['now']:,.1f}){failed}"
