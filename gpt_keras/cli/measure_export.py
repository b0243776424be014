"""Measures exported versions against their model in Python, side by side.

    python -m tools.measure_export --model_dir=runs/quickstart \\
        --version_dir=saved_models/quickstart/1

Each repeat runs all of them in turn, with the same prompts, seeds and settings
by the signature `generate`; the figures are medians over the repeats.
"""

import statistics
import time

import tensorflow as tf
from absl import flags

from gpt_keras.cli import program
from gpt_keras.cli.model_source import read_model
from gpt_keras.generation.settings import make_settings
from gpt_keras.generation.text_generator import TextGenerator


def define_flags(values):
    """Defines the program's flags."""
    program.define_model_dir(values)
    flags.DEFINE_multi_string(
        "version_dir",
        None,
        "Folder of a version that was exported from it; several times for "
        "several versions.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_string(
        "dtype",
        None,
        "Keras dtype policy of the model in Python; as trained by default.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "batch_sizes", ["1", "8"], "Numbers of rows.", flag_values=values
    )
    flags.DEFINE_integer(
        "new_tokens", 100, "Tokens to write in each row.", flag_values=values
    )
    flags.DEFINE_integer("repeats", 15, "Of each.", flag_values=values)
    flags.DEFINE_string("prompt", "The", "Of each row.", flag_values=values)


def main(values):
    """Prints seconds a call, tokens per second and the ratio to Python."""
    ways = {"Python": _python(values.model_dir, values.dtype, values.best)}
    for version_dir in values.version_dir:
        ways[f"SavedModel {version_dir}"] = _loaded(version_dir)
        ways[f"v1 Session {version_dir}"] = _session(version_dir)
    print("batch  seconds  tokens/s  of Python  same text  way")
    for batch_size in map(int, values.batch_sizes):
        for line in _compare(ways, batch_size, values):
            print(line, flush=True)


def run():
    """Runs the program."""
    program.run(define_flags, main)


def _compare(ways, batch_size, values):
    prompts = [values.prompt] * batch_size
    settings = {
        "max_new_tokens": values.new_tokens,
        "seed": list(range(batch_size)),
        "overflow": "roll",
    }
    answers = {way: call(prompts, settings) for way, call in ways.items()}
    seconds = {way: [] for way in ways}
    for _ in range(values.repeats):
        for way, call in ways.items():
            start = time.perf_counter()
            call(prompts, settings)
            seconds[way].append(time.perf_counter() - start)
    medians = {way: statistics.median(all_) for way, all_ in seconds.items()}
    expected, _ = answers["Python"]
    for way, median in medians.items():
        same = "yes" if answers[way][0] == expected else "no"
        yield (
            f"{batch_size:5}  {median:7.4f}  "
            f"{answers[way][1] / median:8.1f}  "
            f"{median / medians['Python']:9.3f}  {same:9}  {way}"
        )


def _python(model_dir, dtype, best):
    generator = TextGenerator(*read_model(model_dir, dtype, best))

    def call(prompts, settings):
        results = generator.generate(prompts, **settings)
        texts = [result.text for result in results]
        return texts, sum(len(result.token_ids) for result in results)

    return call


def _loaded(version_dir):
    loaded = tf.saved_model.load(version_dir)
    signature = loaded.signatures["generate"]
    specs = signature.structured_input_signature[1]

    def call(prompts, settings):
        answer = signature(
            **{
                name: tf.constant(value, specs[name].dtype)
                for name, value in _columns(prompts, settings).items()
            }
        )
        return _texts({key: x.numpy() for key, x in answer.items()})

    call.loaded = loaded  # type: ignore[attr-defined]  # keeps variables
    return call


def _session(version_dir):
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], version_dir)
    signature = loaded.signature_def["generate"]
    outputs = {key: info.name for key, info in signature.outputs.items()}

    def call(prompts, settings):
        columns = _columns(prompts, settings)
        feeds = {
            signature.inputs[name].name: value
            for name, value in columns.items()
        }
        return _texts(session.run(outputs, feeds))

    return call


def _columns(prompts, settings):
    values = make_settings(len(prompts), **settings)
    rows = len(prompts)
    whole = {"steps": [0] * rows, "continuation": [""] * rows}
    return {"prompts": prompts, **values._asdict(), **whole}


def _texts(answer):
    texts = [text.decode() for text in answer["completions"]]
    return texts, int(answer["lengths"].sum())
