"""The lines of `metrics.jsonl` in, a picture of the curves out."""

import pathlib

import matplotlib

matplotlib.use("Agg")  # no screen on a server

from matplotlib import pyplot  # noqa: E402

from gpt_keras.config_rules import METRICS  # noqa: E402
from gpt_keras.training.run_log import read_metrics  # noqa: E402

# Drawn below the losses where the log has them: label and scale of the axis.
_SMALL_PANELS = {
    "gradient_norm": ("gradient\nnorm", "log"),  # its spikes are its news
    "learning_rate": ("learning\nrate", "linear"),
}


def draw_curves(model_dir, unigram_entropy: float | None = None):
    """Draws the losses over the steps, and what went with them.

    Training and validation loss; bits per byte of the validation text on the
    right; a mark at each step that was left out; gradient norm, learning
    rate and scores of what the model writes in small panels. What the log
    doesn't have isn't drawn.

    Args:
        model_dir: The folder with `metrics.jsonl`.
        unigram_entropy: Drawn as the level that a model reaches by knowing
            how often each token occurs, in nats per token.

    Returns:
        The path of the picture, `curves.png` in the folder.
    """
    lines = read_metrics(model_dir)
    names = [name for name in _SMALL_PANELS if _points(lines, name)]
    metrics = [name for name in METRICS if _points(lines, name)]
    figure, (axes, *panels) = _stacked(len(names) + bool(metrics))
    _draw_losses(axes, lines, unigram_entropy)
    if metrics:
        *panels, last = panels
        _draw_metrics(last, lines, metrics)
    for panel, name in zip(panels, names, strict=True):
        label, scale = _SMALL_PANELS[name]
        panel.plot(*zip(*_points(lines, name), strict=True), linewidth=1)
        panel.set_ylabel(label)
        panel.set_yscale(scale)
    for panel in figure.axes:
        panel.grid(alpha=0.3)
    figure.align_ylabels()
    figure.axes[-1].set_xlabel("step")
    path = pathlib.Path(model_dir) / "curves.png"
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path


def _points(lines, name) -> list[tuple[int, float]]:
    return [(x["step"], x[name]) for x in lines if x.get(name) is not None]


def _stacked(small: int):
    """Returns a figure, and axes above so many small ones."""
    figure, axes = pyplot.subplots(
        1 + small,
        figsize=(7, 4 + small),  # inches
        layout="constrained",
        sharex=True,
        squeeze=False,
        height_ratios=[4] + [1] * small,
    )
    return figure, axes[:, 0]


def _draw_losses(axes, lines, unigram_entropy):
    for name, label, style in (
        ("loss", "training", {"alpha": 0.5}),
        ("val_loss", "validation", {"marker": "o", "markersize": 4}),
    ):
        points = _points(lines, name)
        if points:
            axes.plot(*zip(*points, strict=True), label=label, **style)
    if unigram_entropy is not None:
        axes.axhline(
            unigram_entropy, color="grey", linestyle="--", label="unigrams"
        )
    _mark_skipped(axes, lines)
    _add_bits_per_byte(axes, lines)
    axes.set_ylabel("loss (nats per token)")
    if axes.lines:
        axes.legend()


def _draw_metrics(axes, lines, names):
    for name in names:
        points = _points(lines, name)
        axes.plot(*zip(*points, strict=True), ".-", label=name, linewidth=1)
    axes.set_ylabel("scores\n(0 to 100)")
    axes.legend(fontsize="small", ncols=3)


def _mark_skipped(axes, lines):
    """Puts a stroke at the lower edge for each step that was left out."""
    # Its value may be null: infinity is a reason to leave a step out.
    steps = [x["step"] for x in lines if "skipped_loss" in x]
    if steps:
        axes.plot(
            steps,
            [0.02] * len(steps),
            "|",
            color="red",
            label="left out",
            transform=axes.get_xaxis_transform(),  # y from 0 to 1
        )


def _add_bits_per_byte(axes, lines):
    """Gives the losses a second scale: in one text, they are proportional."""
    ratios = [
        line["val_bits_per_byte"] / line["val_loss"]
        for line in lines
        if line.get("val_bits_per_byte") and line.get("val_loss")
    ]
    if ratios:
        ratio = ratios[-1]
        right = axes.secondary_yaxis(
            "right", functions=(lambda x: x * ratio, lambda x: x / ratio)
        )
        right.set_ylabel("validation: bits per byte")
