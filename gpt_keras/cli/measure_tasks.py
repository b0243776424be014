r"""Trains a model for each task by its recipe, and scores what it writes.

    python -m tools.measure_tasks --data=corpora --output=runs/tasks
    python -m tools.measure_tasks --output=runs/tasks --task=copy,reverse

The folder of corpora has the files as they are published, each set in a folder
of its own; docs/tasks.md names them. What was measured before is not measured
again; the same command goes on with a training that was stopped. It prints a
table, and writes `tasks.json` and `tasks.png`.
"""

import json
import os
import pathlib
import subprocess
import sys
import time
from typing import NamedTuple

import matplotlib
from absl import flags

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402

from gpt_keras.cli import program  # noqa: E402
from gpt_keras.files import write_atomically  # noqa: E402
from gpt_keras.training.run_log import read_metrics  # noqa: E402

_POEMS = "chinese-poetry/poet.tang.*.json"
_SCITLDR = "scitldr/train.jsonl"
_CSL = ("--pairs={data}/csl-title/dev.tsv", "--pair_columns=,document,summary")
_BEFORE = ("--steps=1", "--warmup_steps=1", "--learning_rate=1e-12")


class Measured(NamedTuple):
    """What is trained and how it is scored.

    Attributes:
        train: Flags of tools.train. `{data}` and `{output}` stand for the
            folders.
        evaluations: Flags of tools.evaluate for each, by what it is called.
        after: The task whose model it begins with, if any.
    """

    train: tuple[str, ...]
    evaluations: dict[str, tuple[str, ...]]
    after: str = ""


def _held_out(suite: str, *more: str) -> dict[str, tuple[str, ...]]:
    return {"held out": (f"--suite={suite}", "--held_out", *more)}


def _of_one_answer(name: str, suite: str) -> Measured:
    return Measured(
        (f"--recipe={name}",),
        _held_out(
            suite,
            "--metrics=accuracy",
            "--max_new_tokens=16",  # the rest of the model is for the prompt
            "--batch_size=100",
        ),
    )


def _answering(*more: str) -> Measured:
    free = ("--suite=answer", "--best", "--max_examples=500", "--batch_size=50")
    squad = "--pairs={data}/squad/squad-dev-v1.1-subset.json"
    return Measured(
        (
            "--recipe=answer",
            "--pairs={data}/squad/routerlens-squad-train-subset.json",
            "--init_from={output}/base",
            "--steps=1000",  # 4,330 questions
            *more,
        ),
        {
            "SQuAD": (*free, squad),
            "SQuAD, parts of the context": (
                *free,
                squad,
                "--answer_from=context",
            ),
            "XQuAD, English": (*free, "--pairs={data}/xquad/xquad.en.json"),
            "XQuAD, Chinese": (*free, "--pairs={data}/xquad/xquad.zh.json"),
        },
        "base",
    )


def _summarising(*more: str) -> Measured:
    return Measured(
        (
            "--recipe=summarise",
            f"--pairs={{data}}/{_SCITLDR}",
            "--init_from={output}/base",
            "--steps=600",  # 2,000 abstracts
            *more,
        ),
        {
            "SciTLDR": (
                "--suite=summarise",
                "--best",
                "--pairs={data}/scitldr/dev.jsonl",
            )
        },
        "base",
    )


def _summarising_chinese(*more: str) -> Measured:
    return Measured(
        (
            "--recipe=summarise",
            *_CSL,
            "--validation_pairs=200",
            "--init_from={output}/base",
            "--steps=400",  # 800 abstracts
            *more,
        ),
        _held_out("summarise", "--best"),
        "base",
    )


TASKS = {
    "translate": Measured(
        (
            "--recipe=translate",
            "--pairs={data}/multi30k/train.en,{data}/multi30k/train.de",
        ),
        {
            name: (
                "--suite=translate",
                "--best",
                "--pairs={data}/multi30k/val.en,{data}/multi30k/val.de",
                *decoding,
            )
            for name, decoding in {
                "val": (),
                "val, one beam": ("--temperature=0",),
            }.items()
        },
    ),
    "translate_zh": Measured(
        (
            "--recipe=translate_zh",
            "--pairs={data}/tatoeba-cmn-eng/cmn.txt",
        ),
        _held_out("translate", "--template=translate:zh-en", "--best"),
    ),
    "base": Measured(
        (
            "--recipe=base",
            "--text={data}/gutenberg/*.txt",
            "--errors=replace",
        ),
        {},
    ),
    "answer_before": _answering(*_BEFORE),
    "answer": _answering(),
    "summarise_before": _summarising(*_BEFORE),
    "summarise": _summarising(),
    "summarise_zh_before": _summarising_chinese(*_BEFORE),
    "summarise_zh": _summarising_chinese(),
    "poems": Measured(
        ("--recipe=poems", f"--pairs={{data}}/{_POEMS}"),
        {
            f"drawn, temperature {temperature}": (
                "--suite=write",
                f"--pairs={{data}}/{_POEMS}",
                "--max_examples=1000",
                "--prompt_share=0",
                "--max_new_tokens=180",
                "--metrics=regular_verse,distinct1,distinct2,repetition4",
                "--batch_size=100",
                f"--temperature={temperature}",
            )
            for temperature in (1.0, 0.8)
        },
    ),
    "shakespeare": Measured(
        (
            "--recipe=shakespeare",
            "--text={data}/tinyshakespeare/input.txt",
            "--sample_prompt=ROMEO:",
        ),
        {},
    ),
    "copy": _of_one_answer("copy", "pair"),
    "reverse": _of_one_answer("reverse", "pair"),
    "look_up": _of_one_answer("look_up", "answer"),
    "first_sentence": _of_one_answer("first_sentence", "summarise"),
}


def define_flags(values):
    """Defines the program's flags."""
    flags.DEFINE_list(
        "task",
        ["all"],
        f"Some of {', '.join(TASKS)}, or all.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "data", None, "Folder of the corpora.", flag_values=values
    )
    flags.DEFINE_string(
        "output",
        None,
        "Folder for models and figures.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_multi_string(
        "train",
        [],
        "Another flag of tools.train, for a try-out: --train=--steps=20.",
        flag_values=values,
    )


def main(values):
    """Prints the figures of each task as it is done."""
    names = _names(values)
    output = pathlib.Path(values.output)
    output.mkdir(parents=True, exist_ok=True)
    path = output / "tasks.json"
    found = json.loads(path.read_text("utf-8")) if path.exists() else {}
    for name in names:
        if name not in found:
            found[name] = _measure(name, values)
            content = json.dumps(found, indent=2, ensure_ascii=False)
            write_atomically(path, content + "\n")
            print(table({name: found[name]}), flush=True)
    print(table(found))
    print(draw(output, list(found)))


def _names(values) -> list[str]:
    names = list(TASKS) if values.task == ["all"] else values.task
    if unknown := sorted({*names} - {*TASKS}):
        raise ValueError(
            f"`task` must be of {', '.join(TASKS)} or all. Received: "
            f"{', '.join(unknown)}"
        )
    for name in names:
        if values.data is None and any(
            "{data}" in x for x in TASKS[name].train
        ):
            raise ValueError(
                f"`data` must name the folder of the corpora for {name!r}. "
                "Received: none"
            )
    # What others begin with comes first.
    needed = [TASKS[name].after for name in names]
    return list(dict.fromkeys([*filter(None, needed), *names]))


def _measure(name: str, values) -> dict:
    """Trains and scores; returns commands, seconds and figures."""
    task, folder = TASKS[name], f"{values.output}/{name}"
    places = {"data": values.data, "output": values.output}
    trained = [
        *(x.format(**places) for x in task.train),
        f"--model_dir={folder}",
        *values.train,
    ]
    began = time.monotonic()
    _run("train", trained)
    seconds = time.monotonic() - began
    lines = read_metrics(folder)
    found = {
        "command": _typed("train", trained),
        "seconds": seconds,
        "steps": lines[-1]["step"],
        "val_loss": min(x["val_loss"] for x in lines if "val_loss" in x),
        "evaluations": {},
    }
    for label, arguments in task.evaluations.items():
        file = f"{values.output}/{name}.{label.replace(' ', '_')}.json"
        given = [
            *(x.format(**places) for x in arguments),
            f"--model_dir={folder}",
            f"--json={file}",
        ]
        _run("evaluate", given)
        facts = json.loads(pathlib.Path(file).read_text("utf-8"))
        found["evaluations"][label] = {
            "command": _typed("evaluate", given),
            "examples": facts["examples"],
            "scores": facts["scores"],
            "baseline": facts["baseline"],
            "baseline_name": facts["baseline_name"],
        }
    return found


def _run(tool: str, arguments: list[str]) -> None:
    code = f"from gpt_keras.cli import {tool}; {tool}.run()"
    command = [sys.executable, "-c", code, *arguments]
    status = subprocess.run(command, env=os.environ).returncode
    if status:
        raise RuntimeError(
            f"`{_typed(tool, arguments)}` must end with status 0. Received: "
            f"{status}"
        )


def _typed(tool: str, arguments: list[str]) -> str:
    return " ".join(["python -m", f"tools.{tool}", *arguments])


def table(found: dict[str, dict]) -> str:
    """Returns the figures as a Markdown table, with those of a trivial way."""
    lines = [
        "| task | steps | minutes | texts | scores | a trivial way |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in found.items():
        cells = [f"`{name}`", f"{one['steps']:,}", f"{one['seconds'] / 60:.1f}"]
        if not one["evaluations"]:
            loss = f"validation loss {one['val_loss']:.4f}"
            lines.append(f"| {' | '.join([*cells, '', loss, ''])} |")
        for label, given in one["evaluations"].items():
            texts = f"{label}, {given['examples']:,}"
            scores = _scores(given["scores"])
            trivial = _scores(given["baseline"])
            if trivial:
                trivial = f"{given['baseline_name']}: {trivial}"
            lines.append(f"| {' | '.join([*cells, texts, scores, trivial])} |")
            cells = ["", "", ""]
    return "\n".join(lines)


def _scores(scores: dict[str, dict]) -> str:
    return ", ".join(
        f"{name} {score['value']:.1f}" for name, score in scores.items()
    )


def draw(output: pathlib.Path, names: list[str]) -> pathlib.Path:
    """Draws the validation losses of runs over their steps.

    Args:
        output: The folder of their folders.
        names: Of the runs.

    Returns:
        The path of the picture, `tasks.png` in the folder.
    """
    names = [name for name in names if not name.endswith("_before")]
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure, panels = pyplot.subplots(
        rows,
        columns,
        figsize=(3 * columns, 2.2 * rows),  # inches
        layout="constrained",
        squeeze=False,
    )
    for panel, name in zip(panels.flat, names, strict=False):
        lines = read_metrics(output / name)
        points = [(x["step"], x["val_loss"]) for x in lines if "val_loss" in x]
        panel.plot(*zip(*points, strict=True), marker="o", markersize=3)
        panel.set_title(name, fontsize=9)
        panel.grid(alpha=0.3)
        panel.tick_params(labelsize=7)
    for panel in panels.flat[len(names) :]:
        panel.set_axis_off()
    figure.supxlabel("step", fontsize=9)
    figure.supylabel("validation loss, nats per token", fontsize=9)
    path = output / "tasks.png"
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path


def run():
    """Runs the program."""
    program.run(define_flags, main)
