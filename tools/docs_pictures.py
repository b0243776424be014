"""The quick start's model in, the pictures of the README and docs out.

    tools/quickstart.sh
    python -m tools.docs_pictures --model_dir=runs/quickstart

It writes docs/first_screen.png, what the quick start ends with, and
docs/five_steps.png, the five steps of a GPT with the model's own numbers.
"""

import pathlib
import textwrap

import matplotlib
import numpy as np
from absl import app
from absl import flags

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

from gpt_keras.generation.text_generator import TextGenerator  # noqa: E402
from gpt_keras.inspection.places import look_at  # noqa: E402
from gpt_keras.inspection.token_labels import TokenLabels  # noqa: E402
from gpt_keras.text.tokenizer import load_tokenizer  # noqa: E402
from gpt_keras.training.model_folder import load_model  # noqa: E402
from gpt_keras.training.run_log import read_metrics  # noqa: E402

_MODEL_DIR = flags.DEFINE_string(
    "model_dir", "runs/quickstart", "Folder of the quick start's model."
)
_OUTPUT = flags.DEFINE_string("output", "docs", "Where the pictures go.")
_PROMPT = "The"
_SENTENCE = 'The "with" statement is used to'
_WRITING = {"max_new_tokens": 120, "temperature": 0.8, "top_k": 40, "seed": 7}
_FONT = {"family": "monospace", "fontsize": 8}
_SHOWN = 16  # numbers of an embedding


def draw_first_screen(model_dir, generator: TextGenerator, path) -> None:
    """Draws the losses of a run, and what its model writes.

    Args:
        model_dir: The run's folder.
        generator: Of its model.
        path: The picture.
    """
    result = generator.generate(_PROMPT, **_WRITING)
    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(11, 3.2), layout="constrained", width_ratios=(4, 6)
    )
    lines = read_metrics(model_dir)
    for name, label in (("loss", "training"), ("val_loss", "validation")):
        points = [(x["step"], x[name]) for x in lines if name in x]
        left.plot(*zip(*points, strict=True), label=label)
    left.set_xlabel("step")
    left.set_ylabel("loss, nats per token")
    left.grid(alpha=0.3)
    left.legend()
    text = "\n".join(
        line
        for paragraph in (_PROMPT + result.text).splitlines()
        for line in textwrap.wrap(paragraph, 84) or [""]
    )
    right.set_axis_off()
    right.set_title(f"what it writes after {_PROMPT!r}", loc="left")
    right.text(0, 1, text, va="top", transform=right.transAxes, **_FONT)
    _save(figure, path)


def draw_five_steps(model, tokenizer, path) -> None:
    """Draws what a model makes of a sentence, step by step.

    Args:
        model: A built `GPTModel`.
        tokenizer: Its tokenizer.
        path: The picture.
    """
    ids = [int(number) for number in tokenizer.encode(_SENTENCE)]
    names = _labels(tokenizer, ids)
    figure, axes = pyplot.subplots(
        1, 5, figsize=(13, 3.6), layout="constrained"
    )
    _draw_tokens(axes[0], ids, names)
    _draw_embeddings(axes[1], model, ids, names)
    _draw_attention(axes[2], model, ids, names)
    _draw_probabilities(axes[3], model, tokenizer, ids)
    _draw_growth(axes[4], model, tokenizer)
    _save(figure, path)


def _draw_tokens(axes, ids, names):
    axes.set_title("1 tokens")
    axes.set_axis_off()
    for row, (number, name) in enumerate(zip(ids, names, strict=True)):
        height = 1 - (row + 0.5) / len(ids)
        axes.text(0.45, height, name, ha="right", va="center", **_FONT)
        axes.text(0.55, height, number, ha="left", va="center", **_FONT)


def _draw_embeddings(axes, model, ids, names):
    axes.set_title("1 embeddings")
    values = np.asarray(model.embedding(np.array([ids])))[0, :, :_SHOWN]
    axes.imshow(values, cmap="RdBu", aspect="auto")
    axes.set_xticks([0, _SHOWN - 1], [1, _SHOWN])
    axes.set_xlabel(f"the first of {model.d_model} numbers")
    _name_rows(axes, names)


def _draw_attention(axes, model, ids, names):
    axes.set_title("2 who looks at whom")
    weights = np.asarray(model.attention_weights([ids]))  # (layers, 1, heads, …
    shares = np.sqrt(weights.mean(axis=(0, 1, 2)))
    shares[np.triu_indices(len(ids), 1)] = np.nan
    axes.imshow(shares, cmap="Blues", aspect="auto", vmin=0)
    axes.set_xticks(range(len(ids)), names, rotation=90, **_FONT)
    _name_rows(axes, names)


def _draw_probabilities(axes, model, tokenizer, ids):
    axes.set_title("3, 4 the next token")
    last = look_at(model, ids, tokenizer.vocab_size, top=8)[-1]
    found = [(int(number), float(share)) for number, share in last.top]
    names = _labels(tokenizer, [number for number, _ in found])
    axes.barh(range(len(found)), [share for _, share in found])
    axes.invert_yaxis()
    axes.set_xlabel("probability")
    _name_rows(axes, names)


def _draw_growth(axes, model, tokenizer):
    axes.set_title("5 append, go on")
    axes.set_axis_off()
    result = TextGenerator(model, tokenizer).generate(
        _SENTENCE, max_new_tokens=len(_SENTENCE.split()) + 2, temperature=0
    )
    pieces = _labels(tokenizer, list(result.token_ids))
    for row in range(len(pieces)):
        height = 1 - (row + 0.5) / len(pieces)
        shown = "…" + "".join(pieces[: row + 1])
        axes.text(0, height, shown[:30], va="center", **_FONT)


def _labels(tokenizer, ids):
    return [TokenLabels(tokenizer)(number) for number in ids]


def _name_rows(axes, names):
    axes.set_yticks(range(len(names)), names, **_FONT)


def _save(figure, path):
    figure.savefig(path, dpi=100, metadata={"Software": None})
    pyplot.close(figure)
    print(path)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {' '.join(argv[1:])}")
    model = load_model(_MODEL_DIR.value)
    tokenizer = load_tokenizer(_MODEL_DIR.value)
    folder = pathlib.Path(_OUTPUT.value)
    draw_first_screen(
        _MODEL_DIR.value,
        TextGenerator(model, tokenizer),
        folder / "first_screen.png",
    )
    draw_five_steps(model, tokenizer, folder / "five_steps.png")


if __name__ == "__main__":
    app.run(main)
