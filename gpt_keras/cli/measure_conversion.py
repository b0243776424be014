r"""Compares a converted model with what others make of it.

    python -m tools.measure_conversion --transformers_python=PATH \
        --tokenizer=FOLDER --text='wikitext-2/*.raw' --text_tokens=20000

A GPT-2 with random weights is written as a Hugging Face folder and as a
KerasHub preset. `transformers`, in a Python of its own, and KerasHub open them
and compute logits; `transformers` writes greedily too. Then they change every
weight and save; that is read here and compared again. With `--text` the mean
loss over sliding windows is compared. The exit status is 1 where something
differs by more than it may.
"""

import json
import pathlib
import subprocess
import tempfile
from typing import NamedTuple

import keras
import numpy as np
from absl import flags

from gpt_keras.cli import convert
from gpt_keras.cli import program
from gpt_keras.cli.model_source import read_model
from gpt_keras.cli.transformers_program import TRANSFORMERS_PROGRAM
from gpt_keras.data.sources import PythonReference
from gpt_keras.data.sources import TextFiles
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.model import GPTModel
from gpt_keras.text.gpt2_folder import read_gpt2_folder
from gpt_keras.text.tokenizer_training import train_byte_pair
from gpt_keras.weights.architecture import GPT2

_PROMPTS = ["The meaning of life is", "def main():\n", "In 1999, 模型"]
_LARGEST = 2e-4  # difference of a logit, as a share of the largest logit
_LOSS = 1e-4  # difference of the losses, in nats per token


class Results(NamedTuple):
    """Lines for the user, and whether all that is compared is equal."""

    lines: list[str]
    equal: list[bool]

    def add(self, line: str, equal: bool) -> None:
        """Prints a line and keeps it."""
        line = f"{line}{'' if equal else '  DIFFERS'}"
        print(line, flush=True)
        self.lines.append(line)
        self.equal.append(equal)


def define_flags(values):
    """Defines the program's flags; the sizes are GPT-2 small's."""
    for name, default, text in (
        ("d_model", 768, "Width of the model."),
        ("num_heads", 12, "Attention heads."),
        ("num_layers", 12, "Blocks."),
        ("max_length", 1024, "Positions, and window of the loss."),
        ("length", 256, "Tokens whose logits are compared, in each of 2 rows."),
        ("new_tokens", 100, "Tokens to write greedily."),
        ("stride", 512, "Tokens from one window of the loss to the next."),
        ("text_tokens", 20_000, "At most so many of the text; 0: all."),
    ):
        flags.DEFINE_integer(name, default, text, flag_values=values)
    for name, text in (
        ("tokenizer", "Folder with GPT-2's files; small ones by default."),
        ("text", "Files, by a pattern, whose loss is compared."),
        ("transformers_python", "Python that has transformers; or without."),
    ):
        flags.DEFINE_string(name, None, text, flag_values=values)


def main(values):
    """Prints what differs; returns the exit status."""
    tokenizer = _tokenizer(values.tokenizer)
    model = random_model(values, tokenizer.vocab_size)
    rng = np.random.default_rng(1)
    ids = rng.integers(0, model.vocab_size, (2, values.length))
    results = Results([], [])
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for format in ("hugging_face", "kerashub"):
            (folder / format).mkdir()
            convert.write_model(folder / format, model, tokenizer, format)
            again, _ = read_model(folder / format)
            results.add(
                f"{format}: weights written and read again, bit for bit",
                _same_weights(model, again),
            )
            del again
        if values.transformers_python:
            _compare_transformers(
                values, results, folder, model, tokenizer, ids
            )
        _compare_keras_hub(results, folder, model, ids)
    return 0 if all(results.equal) else 1


def random_model(values, vocab_size: int) -> GPTModel:
    """Returns a GPT-2 whose every weight counts."""
    keras.utils.set_random_seed(0)
    model = GPTModel(
        vocab_size,
        values.d_model,
        values.num_heads,
        4 * values.d_model,
        values.max_length,
        0.0,
        num_layers=values.num_layers,
        tie_embeddings=True,
        initializer_stddev=0.05,
        **GPT2,
    )
    model.build((None, None))
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if variable.ndim == 1:  # biases and norms, which begin as 0 and 1
            noise = rng.normal(size=variable.shape, scale=0.1)
            variable.assign_add(noise.astype("float32"))
    return model


def sliding_windows(token_ids, length: int, stride: int):
    """Cuts a text into full windows in which each token is judged once.

    Args:
        token_ids: `(tokens,)`. What fills no window at the end is left out.
        length: Of a window, one more than a model looks at.
        stride: Tokens from one window to the next.

    Returns:
        The windows `(count, length)`, and weights `(count, length - 1)`: 1
        where the next token is judged, with all before it in the window.
    """
    if len(token_ids) < length:
        raise ValueError(
            "`text` must fill a window. Received: "
            f"{len(token_ids)} tokens, window {length}"
        )
    windows = np.lib.stride_tricks.sliding_window_view(token_ids, length)
    windows = windows[::stride].copy()
    weights = np.zeros((len(windows), length - 1))
    weights[:, -stride:] = 1
    weights[0] = 1
    return windows, weights


def _tokenizer(folder):
    if folder is None:
        text = "\n".join(PythonReference().documents())
        return train_byte_pair([text[:100_000]], 1024)
    tokenizer = read_gpt2_folder(folder)
    if tokenizer is None:
        raise FileNotFoundError(f"{folder!r} must have GPT-2's tokenizer.")
    return tokenizer


def _same_weights(model, other) -> bool:
    pairs = zip(model.weights, other.weights, strict=True)
    return all(np.array_equal(one, two) for one, two in pairs)


def _compare_transformers(values, results, folder, model, tokenizer, ids):
    inputs = {"ids": ids, "prompts": _PROMPTS}
    if values.text:
        windows, weights = _windows(values, tokenizer)
        inputs |= {"windows": windows, "weights": weights}
    found, told = _run_transformers(values, folder, inputs)
    print(f"transformers {told['transformers']}, torch {told['torch']}")
    logits = np.asarray(model(ids))
    _add_logits(results, "transformers opens ours", logits, found["logits"])
    _compare_texts(values, results, model, tokenizer, told)
    if values.text:
        _compare_losses(results, model, windows, weights, found["loss"])
    changed, again = read_model(folder / "changed")
    logits = np.asarray(changed(ids))
    name = "transformers' own is read"
    _add_logits(results, name, logits, found["changed_logits"])
    results.add(
        f"{name}: the tokenizer's ids are equal",
        again.fingerprint == tokenizer.fingerprint,
    )


def _windows(values, tokenizer):
    text = "\n".join(TextFiles(values.text).documents())
    token_ids = tokenizer.encode_batch([text])[0]
    if values.text_tokens:
        token_ids = token_ids[: values.text_tokens]
    return sliding_windows(
        token_ids.astype("int64"), values.max_length + 1, values.stride
    )


def _run_transformers(values, folder, inputs):
    np.savez(folder / "inputs.npz", **inputs)
    job = {
        "folder": str(folder / "hugging_face"),
        "inputs": str(folder / "inputs.npz"),
        "outputs": str(folder / "outputs.npz"),
        "changed": str(folder / "changed"),
        "tokens": values.new_tokens,
    }
    result = subprocess.run(
        [
            values.transformers_python,
            "-c",
            TRANSFORMERS_PROGRAM,
            json.dumps(job),
        ],
        capture_output=True,
        text=True,
    )
    if result.returncode:
        raise ValueError(f"transformers failed: {result.stderr[-2000:]}")
    with np.load(folder / "outputs.npz") as found:
        return dict(found), json.loads(result.stdout.splitlines()[-1])


def _add_logits(results, name, ours, theirs) -> None:
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    equal = np.mean(ours.argmax(-1) == theirs.argmax(-1))
    results.add(
        f"{name}: logits differ by {difference:.1e} of the largest, which is "
        f"{np.abs(theirs).max():.1f}; top-1 equal at {equal:.2%} of "
        f"{ours.shape[0] * ours.shape[1]:,} positions",
        bool(difference <= _LARGEST and equal == 1),
    )


def _compare_texts(values, results, model, tokenizer, told) -> None:
    generator = TextGenerator(model, tokenizer)
    made = generator.generate(
        _PROMPTS, temperature=0, max_new_tokens=values.new_tokens
    )
    ends = tokenizer.end_of_text_id
    theirs = [
        [x for x in token_ids if x != ends] for token_ids in told["texts"]
    ]
    ours = [[x for x in result.token_ids if x != ends] for result in made]
    results.add(
        "the prompts' ids are equal",
        told["prompts"] == [tokenizer.encode(prompt) for prompt in _PROMPTS],
    )
    lengths = ", ".join(str(len(token_ids)) for token_ids in ours)
    results.add(f"greedy texts of {lengths} tokens are equal", ours == theirs)


def _compare_losses(results, model, windows, weights, theirs) -> None:
    total = 0.0
    for ids, weight in zip(windows, weights, strict=True):
        logits = model(ids[None, :-1])[0]
        losses = keras.ops.sparse_categorical_crossentropy(
            ids[1:], logits, from_logits=True
        )
        total += float(np.asarray(losses, "float64") @ weight)
    ours = total / weights.sum()
    count, length = windows.shape
    results.add(
        f"the loss of {weights.sum():,.0f} tokens in {count} windows of "
        f"{length - 1}: {ours:.6f} here, {float(theirs):.6f} there, "
        f"difference {abs(ours - theirs):.1e}",
        bool(abs(ours - theirs) <= _LOSS),
    )


def _compare_keras_hub(results, folder, model, ids) -> None:
    import keras_nlp  # after its turn: it takes memory

    peer = keras_nlp.models.GPT2CausalLM.from_preset(str(folder / "kerashub"))
    inputs = {"token_ids": ids, "padding_mask": np.ones_like(ids)}
    theirs = np.asarray(peer(inputs))
    _add_logits(results, "KerasHub opens ours", np.asarray(model(ids)), theirs)
    rng = np.random.default_rng(2)
    for weight in peer.backbone.weights:
        noise = rng.normal(size=weight.shape, scale=0.01)
        weight.assign_add(noise.astype("float32"))
    theirs = np.asarray(peer(inputs))
    peer.save_to_preset(str(folder / "changed_kerashub"))
    del peer
    changed, _ = read_model(folder / "changed_kerashub")
    name = "KerasHub's own is read"
    _add_logits(results, name, np.asarray(changed(ids)), theirs)


def run():
    """Runs the program."""
    program.run(define_flags, main)
