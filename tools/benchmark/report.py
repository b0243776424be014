"""Figures of suites in, a table, a picture and the verdicts out."""

from tools.benchmark.suites import Suite
from tools.benchmark.suites import Target

# Headings, and how a contender's figures are written below them.
_OF_WORK = {
    "{unit}/s": lambda x: f"{x['rate']:,.4g}",
    "first run, s": lambda x: f"{x['first_seconds']:.1f}",
}
_OF_RUNS = {
    "training, s": lambda x: f"{x['seconds']:.1f}",
    "with start and compilation, s": lambda x: f"{x['seconds_of_all']:.1f}",
    "validation loss": lambda x: f"{x['val_loss']:.4f}",
}
_OF_ALL = {"peak, MB": lambda x: f"{x['peak_bytes'] / 1e6:,.0f}"}


def table(suite: Suite, found: dict[str, dict]) -> str:
    """Returns the figures of a suite as a Markdown table."""
    columns = (_OF_WORK if suite.warm else _OF_RUNS) | _OF_ALL
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


def verdicts(suite: Suite, found: dict[str, dict]) -> list[dict]:
    """Returns each target with what was reached.

    `"reached"` is None where one of the two was not run.
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
    """Returns ours ÷ the peer's, or ours; None where one was not run."""
    names = [name for name in (target.ours, target.peer) if name]
    figures = [found[name] for name in names]
    if any("not_run" in x for x in figures):
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
        sign = "≥" if row["figure"] == "rate" else "≤"
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
        found: By the suite's name, figures by the contender's.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.2 + 0.5 * sum(map(len, found.values()))))
    FigureCanvasAgg(figure)
    heights = [max(1, len(contenders)) for contenders in found.values()]
    all_axes = figure.subplots(
        len(found), 1, squeeze=False, height_ratios=heights
    )
    for axes, (suite, contenders) in zip(
        all_axes[:, 0], found.items(), strict=True
    ):
        names = [n for n, x in contenders.items() if "rate" in x]
        rates = [contenders[name]["rate"] for name in names]
        colors = [
            "#1f6feb" if name.startswith("gpt_keras") else "#9aa4b2"
            for name in names
        ]
        bars = axes.barh(names, rates, color=colors)
        axes.bar_label(bars, fmt="{:,.4g}", padding=3, fontsize=8)
        axes.set_title(suite, loc="left", fontsize=10)
        axes.invert_yaxis()
        axes.margins(x=0.15)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.set_xticks([])
        axes.tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
