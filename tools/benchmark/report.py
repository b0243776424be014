"""Figures of suites in, a table, a picture and the verdicts out."""

from tools.benchmark.suites import MORE_IS_BETTER
from tools.benchmark.suites import Suite
from tools.benchmark.suites import Target

# Headings, and how a contender's figures are written below them.
_OF_WORK = {
    "{unit}/s": lambda x: _number(x["rate"]),
    "first run, s": lambda x: f"{x['first_seconds']:.1f}",
}
_OF_RUNS = {
    "training, s": lambda x: f"{x['seconds']:.1f}",
    "with start and compilation, s": lambda x: f"{x['seconds_of_all']:.1f}",
    "validation loss": lambda x: f"{x['val_loss']:.4f}",
}
# Where one of a suite tells of it.
_OF_REQUESTS = {
    "new request, s": ("new_shape_seconds", "{:.2f}"),
    "traces again": ("traces", "{:.0f}"),
    "MFU": ("mfu", "{:.1%}"),
}
_OF_ALL = {"peak, MB": lambda x: f"{x['peak_bytes'] / 1e6:,.0f}"}


def _number(value: float) -> str:
    """Returns four digits, or all of a large number's."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def table(suite: Suite, found: dict[str, dict]) -> str:
    """Returns the figures of a suite as a Markdown table."""
    columns = _OF_WORK if suite.warm else _OF_RUNS
    columns = columns | _columns_of_requests(found) | _OF_ALL
    headings = [heading.format(unit=suite.unit) for heading in columns]
    lines = [
        f"| {' | '.join([suite.name, *headings])} |",
        "|---" * (1 + len(columns)) + "|",
    ]
    for name, figures in found.items():
        if "not_run" in figures:
            empty = [""] * (len(columns) - 1)
            cells = [f"not run: {figures['not_run']}", *empty]
        else:
            cells = [write(figures) for write in columns.values()]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def _columns_of_requests(found):
    def write(name, form):
        return lambda x: form.format(x[name]) if name in x else ""

    return {
        heading: write(name, form)
        for heading, (name, form) in _OF_REQUESTS.items()
        if any(name in figures for figures in found.values())
    }


def ops_table(name: str, ops: list, most: int = 20) -> str:
    """Returns what a turn of a contender consisted of as a Markdown table.

    Args:
        name: Of the contender.
        ops: `[kind of op, calls, seconds]`, the slowest first.
        most: Rows; the rest is a row more.
    """
    total = sum(seconds for _, _, seconds in ops) or 1.0
    rows, rest = ops[:most], ops[most:]
    if rest:
        _, calls, seconds = zip(*rest, strict=True)
        rows = [*rows, (f"{len(rest)} others", sum(calls), sum(seconds))]
    lines = [f"| {name} | calls | ms | share |", "|---" * 4 + "|"]
    for kind, calls, seconds in rows:
        lines.append(
            f"| {kind} | {calls:,} | {seconds * 1e3:,.1f} | "
            f"{seconds / total:.1%} |"
        )
    return "\n".join(lines)


def verdicts(suite: Suite, found: dict[str, dict]) -> list[dict]:
    """Returns each target with what was reached.

    `"reached"` is None where one of the two was not run, or has no such
    figure.
    """
    rows = []
    for target in suite.targets:
        reached = ratio(target, found)
        is_met = None
        if reached is not None:
            is_met = (
                reached >= target.ratio
                if target.more_is_better
                else reached <= target.ratio
            )
        rows.append(
            {
                "suite": suite.name,
                "ours": target.ours,
                "peer": target.peer,
                "figure": target.figure,
                "target": target.ratio,
                "reached": reached,
                "is_met": is_met,
            }
        )
    return rows


def ratio(target: Target, found: dict[str, dict]) -> float | None:
    """Returns ours ÷ the peer's, or ours; None where one is not there."""
    names = [name for name in (target.ours, target.peer) if name]
    figures = [found[name] for name in names]
    if any(target.figure not in x for x in figures):
        return None
    ours, *peers = (x[target.figure] for x in figures)
    return ours / peers[0] if peers else ours


def verdict_table(rows: list[dict]) -> str:
    """Returns verdicts as a Markdown table."""
    lines = [
        "| suite | contender | against | figure | target | reached | |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        sign = "≥" if row["figure"] in MORE_IS_BETTER else "≤"
        reached = "not run"
        if row["reached"] is not None:
            reached = f"{row['reached']:.2f}"
        times = " ×" if row["peer"] else ""
        mark = {True: "met", False: "missed", None: ""}[row["is_met"]]
        lines.append(
            f"| {row['suite']} | {row['ours']} | {row['peer']} | "
            f"{row['figure']} | {sign} {row['target']:.3g}{times} | "
            f"{reached}{times} | "
            f"{mark} |"
        )
    return "\n".join(lines)


def draw(path, found: dict[str, dict[str, dict]]) -> None:
    """Draws the rates of every suite as bars, this project's first.

    Args:
        path: Of a PNG.
        found: By the suite's name, figures by the contender's. A suite of
            which nothing was run is left out.
    """
    measured = rates_of(found)
    figure = _figure(9, 1.2 + 0.5 * sum(map(len, measured.values())))
    all_axes = figure.subplots(
        max(1, len(measured)),
        1,
        squeeze=False,
        height_ratios=[len(x) for x in measured.values()] or [1],
    )
    for axes, (suite, contenders) in zip(
        all_axes[:, 0], measured.items(), strict=False
    ):
        names, rates = list(contenders), list(contenders.values())
        colors = [
            "#1f6feb" if name.startswith("gpt_keras") else "#9aa4b2"
            for name in names
        ]
        bars = axes.barh(names, rates, color=colors)
        axes.bar_label(bars, fmt=_number, padding=3, fontsize=8)
        axes.set_title(suite, loc="left", fontsize=10)
        axes.invert_yaxis()
        axes.margins(x=0.15)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.set_xticks([])
        axes.tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def rates_of(found: dict[str, dict[str, dict]]) -> dict[str, dict[str, float]]:
    """Returns the rates of what was run, by suite and contender."""
    rates = {
        suite: {name: x["rate"] for name, x in figures.items() if "rate" in x}
        for suite, figures in found.items()
    }
    return {suite: x for suite, x in rates.items() if x}


def draw_curves(path, figures: dict[str, dict]) -> None:
    """Draws milliseconds by size: of a step, or of a token where none is told.

    Args:
        path: Of a PNG.
        figures: By names of a curve and a size: `length 256`.
    """
    curves = curves_of(figures)
    figure = _figure(3.2 * max(1, len(curves)), 3)
    all_axes = figure.subplots(1, max(1, len(curves)), squeeze=False)
    for axes, (name, (unit, points)) in zip(
        all_axes[0], curves.items(), strict=False
    ):
        sizes, milliseconds = zip(*points, strict=True)
        axes.plot(sizes, milliseconds, "o-", color="#1f6feb")
        axes.set_title(f"ms per {unit}", loc="left", fontsize=10)
        axes.set_xlabel(name, fontsize=8)
        axes.set_xlim(left=0)
        axes.set_ylim(0, 1.15 * max(milliseconds))
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def curves_of(
    figures: dict[str, dict],
) -> dict[str, tuple[str, list[tuple[int, float]]]]:
    """Returns of each curve what is counted and `(size, milliseconds)`."""
    curves = {}
    for name, x in figures.items():
        if "not_run" in x:
            continue
        curve, _, size = name.rpartition(" ")
        unit = "step" if "steps" in x else "token"
        taken = x["seconds"] / x["steps"] if "steps" in x else 1 / x["rate"]
        _, points = curves.setdefault(curve.rstrip(","), (unit, []))
        points.append((int(size), 1e3 * taken))
    return curves


def _figure(width, height):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure
