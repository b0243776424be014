r"""Measures what each switch of a modern recipe does to a small model.

    python -m tools.measure_recipes --corpus=characters --text=input.txt \
        --steps=400 --loss=2.0 --seeds=5 --workers=2 --json=characters.json
    python -m tools.measure_recipes --corpus=byte_pairs --text='books/*.txt' \
        --steps=400 --loss=5.0 --seeds=5 --workers=2 --json=byte_pairs.json

The baseline is nanoGPT's recipe. Each switch is measured alone in it, then
all of them together, and with `--without` all but each one. All variants of a
seed come before those of the next; the file is written after every run, and
one that is there is gone on with.

A second is one of a processor's (`time.process_time`), not of the clock, so
that neither a pause nor a neighbour counts. A worker computes in one thread.
Two of the switches, embeddings in the values and the soft cap of the logits,
are experiments in `tools/recipes/models.py`: the library has neither.
"""

import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import pathlib
import sys

from absl import flags

from gpt_keras.cli import program
from gpt_keras.files import write_atomically
from tools.recipes import corpora
from tools.recipes import report
from tools.recipes import switches
from tools.recipes import training

_SETUP = {
    "steps": "Of each run, and of its schedule.",
    "every": "Steps between two validations.",
    "validation_tokens": "Of these; all after the last step.",
    "vocab_size": "Of byte pairs.",
    "d_model": "Width of the model.",
    "num_layers": "Blocks.",
}
_DEFAULTS = {
    "steps": 400,
    "every": 25,
    "validation_tokens": 16384,
    "vocab_size": 2048,
    "d_model": 128,
    "num_layers": 4,
}


def define_flags(values):
    """Defines the program's flags."""
    flags.DEFINE_enum(
        "corpus",
        "characters",
        corpora.KINDS,
        "What the tokens are.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "text",
        None,
        "Pattern of text files, several separated by commas.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_string(
        "json",
        None,
        "File of all curves; gone on with if it is there.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_string(
        "markdown", None, "File for the table.", flag_values=values
    )
    flags.DEFINE_float(
        "loss",
        None,
        "To count the steps to; what is measured doesn't depend on it. By "
        "itself the median of the final losses of the first variant.",
        flag_values=values,
    )
    flags.DEFINE_integer("seeds", 5, "Of each variant.", flag_values=values)
    flags.DEFINE_integer(
        "workers",
        0,
        "Processes that train, each in one thread; 0: this one, in as many "
        "threads as TensorFlow takes.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "without",
        False,
        "All switches but one, for each, are measured too.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "variants", [], "These alone; empty: all.", flag_values=values
    )
    for name, help in _SETUP.items():
        flags.DEFINE_integer(name, _DEFAULTS[name], help, flag_values=values)


def main(values):
    """Measures what isn't in the file yet, and prints a table."""
    setup = training.Setup(
        corpus=values.corpus,
        text=values.text,
        **{name: values[name].value for name in _SETUP},
    )
    variants = values.variants or switches.variants(values.without)
    for variant in variants:
        switches.settings_of(variant)  # raises if there is none
    tasks = [(v, seed) for seed in range(values.seeds) for v in variants]
    runs = _read(values.json, setup)
    left = [task for task in tasks if task not in runs]
    for run in _train(setup, left, values.workers):
        runs[run["variant"], run["seed"]] = run
        _write(values.json, setup, runs)
        print(_line(run), file=sys.stderr, flush=True)
    ordered = [runs[task] for task in sorted(tasks, key=_place(variants))]
    text = report.table(ordered, _loss(values.loss, ordered))
    print(text)
    if values.markdown:
        write_atomically(values.markdown, text + "\n")


def _place(variants):
    return lambda task: (variants.index(task[0]), task[1])


def _loss(given, runs):
    """Returns what was given, or what the first variant ends with."""
    if given is not None:
        return given
    return report.median_final_loss(runs, runs[0]["variant"])


def _read(path, setup):
    """Returns the runs of a file by variant and seed."""
    if not os.path.exists(path):
        return {}
    content = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    if content["setup"] != dataclasses.asdict(setup):
        raise ValueError(
            f"{path} must be of the same setup, or another file. Received: "
            f"{content['setup']} there, {dataclasses.asdict(setup)} now"
        )
    return {(run["variant"], run["seed"]): run for run in content["runs"]}


def _write(path, setup, runs):
    content = {"setup": dataclasses.asdict(setup), "runs": [*runs.values()]}
    write_atomically(path, json.dumps(content, indent=1) + "\n")


def _train(setup, tasks, workers: int):
    """Gives the figures of each run, as they come."""
    if workers < 1 or not tasks:
        yield from (training.train(setup, *task) for task in tasks)
        return
    with concurrent.futures.ProcessPoolExecutor(
        workers,
        multiprocessing.get_context("spawn"),
        initializer=training.use_one_thread,
    ) as pool:
        found = [pool.submit(training.train, setup, *task) for task in tasks]
        for run in concurrent.futures.as_completed(found):
            yield run.result()


def _line(run):
    return (
        f"{run['variant']}, seed {run['seed']}: {run['ms_per_step']:.1f} ms "
        f"per step, loss {run['final_loss']:.4f}"
    )


def run():
    """Runs the program."""
    program.run(define_flags, main)


if __name__ == "__main__":
    run()
