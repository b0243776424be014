"""A model and its tokenizer come in, a version folder for TF Serving goes out.

The graph is of TensorFlow's core ops and keeps nothing between requests, so
the stock server runs it: text in, text out.
"""

import os
import pathlib
import tempfile
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from gpt_keras.generation.beam_settings import MAX_BEAMS
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.tasks import Task
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.serving.beam_signature import with_max_beams
from gpt_keras.serving.checksums import write_checksums
from gpt_keras.serving.model_card import About
from gpt_keras.serving.model_card import model_card
from gpt_keras.serving.model_card import write_model_card
from gpt_keras.serving.precision import loss_difference
from gpt_keras.serving.precision import with_precision
from gpt_keras.serving.signatures import choose_signatures
from gpt_keras.serving.signatures import make_signatures
from gpt_keras.serving.version_folder import write_next_version
from gpt_keras.serving.warm_up import WARM_UP_FILE
from gpt_keras.serving.warm_up import example_inputs
from gpt_keras.serving.warm_up import make_warm_up
from gpt_keras.serving.warm_up import write_warm_up

# What a request may ask for, unless the deployer says otherwise.
MAX_PROMPT_BYTES = 2**15
MAX_NEW_TOKENS = 2**10
SERVING_POLICY = Policy(
    max_prompt_bytes=MAX_PROMPT_BYTES,
    max_new_tokens=MAX_NEW_TOKENS,
    max_beams=MAX_BEAMS,
)


def export_saved_model(
    model,
    tokenizer,
    directory,
    *,
    policy: Policy = SERVING_POLICY,
    signatures: Iterable[str] | None = None,
    tasks: Sequence[Task] = (),
    dtype: str | None = None,
    quantize: str | None = None,
    loss_texts: list[str] | None = None,
    training: dict | None = None,
    card_notes: str = "",
    progress: Callable[[str, int, int], None] | None = None,
    **settings,
) -> str:
    """Writes a model as the next version under `directory`.

    The signatures are those of `make_signatures`. Beside the graph stand, in
    `assets/`, the vocabulary, and in `assets.extra/` warm-up requests for
    every signature, the model card (`model_card.json`, `MODEL_CARD.md`) and
    `SHA256SUMS`. The folder gets its number when all of it is on the disk, so
    that a server that watches `directory` never loads half a model.

    Args:
        model: A `GPTModel` that is built.
        tokenizer: The tokenizer that it was trained with.
        directory: The folder of the model's versions: 1, 2, 3, …; its name
            is the model's on the server.
        policy: What holds for every request.
        signatures: Of `SIGNATURES`, which to write, `serving_default` always;
            None for all. Each makes the graph larger and the load longer.
        tasks: What the model was trained for, of `make_task`: each gets a
            signature of its own that takes the fields of its template, and
            the first one is `serving_default`.
        dtype: `"float32"` or `"bfloat16"`, of weights and computation; None
            leaves the model as it is.
        quantize: `"int8"` for the weight matrices, or None.
        loss_texts: Texts on which the loss by `dtype` and `quantize` is
            measured; None for some that the model writes itself.
        training: Data and figures for the card, as of `training_facts`.
        card_notes: The deployer's own text for the card, Markdown.
        progress: Is told of each part that is begun: its name, how many are
            done, and of how many.
        **settings: Fields of `GenerationSettings` that shall differ from
            their defaults, one value each, for the signatures that don't
            take them.

    Returns:
        The path of the new version folder.

    Raises:
        ValueError: A setting breaks its rule or the policy's, a signature is
            unknown or misses the one it goes with, the model isn't built, or
            the tokenizer has ids that the model doesn't know or lacks a
            special token of a task.
        OSError: The folder can't be written, or is full. Nothing is left
            behind.

    Example:

    >>> export_saved_model(model, tokenizer, "saved_models/gpt", top_k=40)
    'saved_models/gpt/1'
    """
    if not model.built:
        raise ValueError(
            "A model must be built before its export: call it on token ids "
            f"or load its weights. Received: {model.name}, which is not built."
        )
    names = choose_signatures(signatures)
    policy = with_max_beams(policy)
    served = with_precision(model, dtype, quantize)
    made = make_signatures(
        served, tokenizer, policy, names, tasks=tasks, **settings
    )
    tell = progress or (lambda *part: None)
    functions = {}
    for name, signature in made.items():
        tell(name, len(functions), len(made) + 2)
        functions[name] = signature.trace()
    tell("warm-up", len(made), len(made) + 2)
    about = About(
        name=pathlib.Path(directory).resolve().name,
        dtype=served.dtype_policy.name,
        quantization=quantize or "none",
        loss=_loss(model, served, tokenizer, loss_texts),
        training=training or {},
        notes=card_notes,
    )
    card = model_card(
        model, tokenizer, functions, settings, policy, about, tasks
    )
    requests = make_warm_up(
        {name: signature.inputs for name, signature in made.items()},
        max_new_tokens=policy.max_new_tokens,
        max_beams=policy.max_beams,
        state_bytes=_example_state(made, functions, policy.max_new_tokens),
    )

    def write(folder):
        tell("writing", len(made) + 1, len(made) + 2)
        _write_graph(folder, served, tokenizer, functions)
        write_warm_up(os.path.join(folder, WARM_UP_FILE), about.name, requests)
        write_model_card(folder, card)
        write_checksums(folder)

    return write_next_version(directory, write)


def _example_state(signatures, functions, limit):
    """Returns a row that goes on, for `step`; empty if there is none."""
    if "prefill" not in functions:
        return b""
    specs = signatures["prefill"].inputs
    row = example_inputs(specs, 1, limit)
    rows = {name: np.repeat(values, 8) for name, values in row.items()}
    rows["seed"] = np.arange(8)  # the first may end at once
    tensors = [tf.constant(rows[spec.name], spec.dtype) for spec in specs]
    states = functions["prefill"](*tensors)["state_bytes"].numpy()
    return next((state for state in states if state), b"")


def _write_graph(folder, model, tokenizer, functions):
    """Writes the graph, and what the signatures read from outside of it.

    Variables, not the model: what it has for its training stays out.
    """
    resources = tf.Module()
    resources.weights = [weight.value for weight in model.weights]
    resources.tokenizer = tokenizer
    with tempfile.TemporaryDirectory() as temporary:
        tokenizer.save(temporary)
        path = os.path.join(temporary, "tokenizer.json")
        resources.vocabulary = tf.saved_model.Asset(path)
        tf.saved_model.save(resources, folder, signatures=functions)


def _loss(model, served, tokenizer, texts):
    """Measures what dtype and quantization cost, in nats per token."""
    if served is model:
        return None
    token_ids = (
        _written(model, tokenizer)
        if texts is None
        else _windows(tokenizer, texts, model.max_length)
    )
    difference = loss_difference(model, served, token_ids)
    source = "texts of the model's own" if texts is None else "given texts"
    return {
        **difference._asdict(),
        "tokens": int(token_ids[:, 1:].size),
        "measured_on": source,
    }


_SAMPLES = 32
_MAX_WINDOWS = 512


def _written(model, tokenizer):
    """Returns ids that the model draws, one row after another cut even."""
    results = TextGenerator(model, tokenizer).generate(
        [""] * _SAMPLES,
        seed=range(_SAMPLES),
        max_new_tokens=min(model.max_length, 256),
        overflow="roll",
    )
    ids = []
    for result in results:
        ids += [tokenizer.end_of_text_id, *result.token_ids]
    return _cut_even(ids, min(model.max_length, 256))


def _windows(tokenizer, texts, length):
    ids = []
    for text in texts:
        ids += [tokenizer.end_of_text_id, *tokenizer.encode(text)]
    return _cut_even(ids, length)


def _cut_even(ids, length):
    """Returns `(rows, length)` int32; what is left over falls away."""
    length = min(length, len(ids))
    rows = min(len(ids) // length, _MAX_WINDOWS)
    if length < 2:
        raise ValueError(
            "The texts to measure a loss on must have at least one token. "
            f"Received: {len(ids) - 1} tokens"
        )
    return np.array(ids[: rows * length], np.int32).reshape(rows, length)
