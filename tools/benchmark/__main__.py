r"""Measures this project and its peers side by side.

    python -m tools.benchmark --suite=decode --json=figures.json
    python -m tools.benchmark --suite=all --nanogpt=../nanoGPT \
        --torch_python=torch/bin/python --text='books/*.txt' \
        --shakespeare=input.txt --json=figures.json --picture=bars.png
    python -m tools.benchmark --suite=train_gpu,train_gpu_32 \
        --nanogpt=../nanoGPT --torch_python=torch/bin/python \
        --jax_python=jax/bin/python
    python -m tools.benchmark --suite=train_small --profile=traces

Each contender is a process of its own; they take turns, and what is told is
the median. The first run of each, in which its graph is traced and compiled,
is told apart. Run it on a machine that does nothing else. Peers that are not
there (PyTorch's, in a Python of their own: `requirements-benchmark.txt`) are
said not to have been run. With `--profile` our own do a turn more, of which
the ops are told, the slowest first; `tensorboard --logdir` shows the traces.
"""

import glob
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

from absl import flags

if __name__ == "__main__":
    # It needs no Keras itself, and not every Python here has TensorFlow.
    os.environ.setdefault("GPT_KERAS_CLIENT_ONLY", "1")

from gpt_keras.cli import program  # noqa: E402
from gpt_keras.files import write_atomically  # noqa: E402
from tools.benchmark import cost_suites  # noqa: E402
from tools.benchmark import decode_suites  # noqa: E402
from tools.benchmark import profiles  # noqa: E402
from tools.benchmark import report  # noqa: E402
from tools.benchmark import suites  # noqa: E402
from tools.benchmark.measurement import measure  # noqa: E402

NAMES = (
    "train_small",
    "time_to_loss",
    "train_gpt2",
    "train_gpt2_float32",
    "train_gpu",
    "train_gpu_32",
    "memory_bandwidth",
    "decode_1",
    "decode_8",
    "decode_1_xla",
    "decode_8_xla",
    "decode_faster",
    "prefill",
    "long_text",
    "settings",
    "cost",
    "tokenizer",
    "data",
)


def define_flags(values):
    """Defines the program's flags."""
    flags.DEFINE_list(
        "suite",
        ["all"],
        f"Some of {', '.join(NAMES)}, or all.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "json", None, "File for all figures.", flag_values=values
    )
    flags.DEFINE_string(
        "picture",
        None,
        "PNG of bars, without the suite `cost`; of its curves with "
        "--suite=cost.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "profile",
        None,
        "Folder for TensorFlow's traces of a turn more of our contenders.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "nanogpt", None, "Folder of a nanoGPT checkout.", flag_values=values
    )
    flags.DEFINE_string(
        "shakespeare",
        None,
        "File of tinyshakespeare, for the suite `time_to_loss`.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "torch_python",
        None,
        "Python that has what requirements-benchmark.txt names.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "jax_python",
        sys.executable,
        "Python that has Keras and JAX, for the suites `train_gpu`.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "text",
        None,
        "Pattern of text files, for the suite `tokenizer`.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "repeats",
        None,
        "Turns of each contender; as the suite says by default.",
        flag_values=values,
    )


def main(values):
    """Prints tables; returns the exit status, 1 where a program failed."""
    pythons = {
        suites.HERE: sys.executable,
        suites.TORCH: values.torch_python,
        suites.JAX: values.jax_python,
    }
    found, rows = {}, []

    def say(line):
        print(line, file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        for suite in _suites(values, scratch):
            figures = measure(suite, pythons, values.repeats, say)
            found[suite.name] = figures
            rows += report.verdicts(suite, figures)
            print(report.table(suite, figures), "\n", flush=True)
            if values.profile:
                _profile(suite, pythons, values.profile, figures, say)
            _write(values, found, rows)
    print(report.verdict_table(rows))
    if values.picture:
        _draw(values.picture, found)


def _profile(suite, pythons, folder, figures, say):
    """Prints what each contender's turn consists of, and adds it to figures."""
    made = profiles.profile(suite, pythons, folder, say)
    for name, ops in made.items():
        figures[name]["ops"] = ops
        print(report.ops_table(name, ops), "\n", flush=True)


def _draw(path, found):
    if set(found) == {"cost"}:
        report.draw_curves(path, found["cost"])
    else:
        found = {name: x for name, x in found.items() if name != "cost"}
        report.draw(path, found)


def _suites(values, scratch):
    names = NAMES if values.suite == ["all"] else values.suite
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise ValueError(
            f"`suite` must be of {', '.join(NAMES)} or all. Received: "
            f"{', '.join(unknown)}"
        )
    nanogpt = values.nanogpt and os.path.abspath(values.nanogpt)
    shakespeare = values.shakespeare and os.path.abspath(values.shakespeare)
    makers = {
        "train_small": lambda: suites.train_small(nanogpt),
        "time_to_loss": lambda: suites.time_to_loss(nanogpt, shakespeare),
        "train_gpt2": lambda: suites.train_gpt2(nanogpt),
        "train_gpt2_float32": lambda: suites.train_gpt2(nanogpt, "float32"),
        "train_gpu": lambda: suites.train_gpu(nanogpt),
        "train_gpu_32": lambda: suites.train_gpu(nanogpt, batch_size=32),
        "memory_bandwidth": decode_suites.memory_bandwidth,
        "decode_1": lambda: decode_suites.decode(1),
        "decode_8": lambda: decode_suites.decode(8),
        "decode_1_xla": lambda: decode_suites.decode_xla(1),
        "decode_8_xla": lambda: decode_suites.decode_xla(8),
        "decode_faster": decode_suites.decode_faster,
        "prefill": decode_suites.prefill,
        "long_text": decode_suites.long_text,
        "settings": cost_suites.settings,
        "cost": cost_suites.cost,
        "tokenizer": lambda: _tokenizer(values, scratch),
        "data": suites.data,
    }
    return [makers[name]() for name in names]


def _tokenizer(values, scratch):
    paths = glob.glob(values.text or "")
    if not paths:
        raise ValueError(
            "The suite `tokenizer` needs files: --text=PATTERN. Received: "
            f"text={values.text!r}"
        )
    return suites.tokenizer(
        os.path.abspath(values.text),
        sum(os.path.getsize(path) for path in paths),
        os.path.join(scratch, "tokenizer"),
    )


def _write(values, found, rows):
    if values.json:
        content = {"machine": _machine(), "suites": found, "targets": rows}
        write_atomically(values.json, json.dumps(content, indent=2) + "\n")


def _machine():
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        cwd=pathlib.Path(__file__).parent,
    )
    return {
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "processors": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
    }


def run():
    """Runs the program."""
    program.run(define_flags, main)


if __name__ == "__main__":
    run()
