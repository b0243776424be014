"""Runs in, a table of what each switch did out."""

import math
import statistics

from tools.recipes.switches import compared_with

_NEVER = math.inf
_HEADINGS = (
    "variant",
    "runs",
    "steps to the loss",
    "ms per step",
    "seconds to the loss",
    "final loss",
    "beside the baseline's",
)


def reached(curve, loss: float) -> tuple[float, float]:
    """Returns the step and the second at which a curve fell to a loss.

    Between two validations the curve is a straight line; before the first one
    it is not known, which then counts. Infinite if it never fell so low.

    Args:
        curve: Step, seconds and loss of each validation.
        loss: To fall to.
    """
    before = None
    for point in curve:
        if point[2] <= loss:
            if before is None:
                return point[0], point[1]
            share = (before[2] - loss) / (before[2] - point[2])
            step, seconds = (
                old + share * (new - old)
                for old, new in zip(before[:2], point[:2], strict=True)
            )
            return step, seconds
        before = point
    return _NEVER, _NEVER


def median_final_loss(runs: list[dict], variant: str) -> float:
    """Returns the median of a variant's final losses."""
    return statistics.median(
        run["final_loss"] for run in runs if run["variant"] == variant
    )


def table(runs: list[dict], loss: float) -> str:
    """Returns a row for each variant, as Markdown.

    Medians of the seeds, with the least and the most in brackets. The last
    column is the difference of two final losses of the same seed; a variant
    without one of the switches is beside the one that has all of them.

    Args:
        runs: As `training.train` returns them.
        loss: That steps and seconds are counted to.
    """
    found = {}
    for run in runs:
        found.setdefault(run["variant"], {})[run["seed"]] = run
    lines = [
        f"| {' | '.join(_HEADINGS)} |",
        "|---" * len(_HEADINGS) + "|",
    ]
    for variant, seeds in found.items():
        times = [reached(run["curve"], loss) for run in seeds.values()]
        base = found.get(compared_with(variant), {})
        cells = [
            variant.replace("_", " "),
            str(len(seeds)),
            _spread([step for step, _ in times], ",.0f"),
            _spread([run["ms_per_step"] for run in seeds.values()], ".1f"),
            _spread([seconds for _, seconds in times], ".1f"),
            _spread([run["final_loss"] for run in seeds.values()], ".3f"),
            _spread(_differences(seeds, base), "+.3f"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _differences(seeds, base):
    return [
        run["final_loss"] - base[seed]["final_loss"]
        for seed, run in seeds.items()
        if seed in base and run is not base[seed]
    ]


def _spread(values, form: str) -> str:
    """Returns the median, with the range in brackets; a dash for never."""
    if not values:
        return ""
    numbers = statistics.median(values), min(values), max(values)
    middle, least, most = (
        "—" if x == _NEVER else format(x, form) for x in numbers
    )
    return middle if least == most else f"{middle} ({least} to {most})"
