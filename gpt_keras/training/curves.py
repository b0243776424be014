"""The lines of `metrics.jsonl` in, a picture of the curves out."""

import pathlib

import matplotlib

matplotlib.use("Agg")  # no screen on a server

from matplotlib import pyplot  # noqa: E402

from gpt_keras.training.run_log import read_metrics  # noqa: E402


def draw_curves(model_dir, unigram_entropy: float | None = None):
    """Draws training and validation loss over the steps.

    Args:
        model_dir: The folder with `metrics.jsonl`.
        unigram_entropy: Drawn as the level that a model reaches by knowing
            how often each token occurs, in nats per token.

    Returns:
        The path of the picture, `curves.png` in the folder.
    """
    lines = read_metrics(model_dir)
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for name, label, style in (
        ("loss", "training", {"alpha": 0.5}),
        ("val_loss", "validation", {"marker": "o"}),
    ):
        points = [
            (x["step"], x[name]) for x in lines if x.get(name) is not None
        ]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, **style)
    if unigram_entropy is not None:
        axes.axhline(
            unigram_entropy, color="grey", linestyle="--", label="unigrams"
        )
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats per token)")
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    path = pathlib.Path(model_dir) / "curves.png"
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path
