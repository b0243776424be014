"""Tests of README and docs: what is marked as run runs, and names exist."""

import ast
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from typing import NamedTuple

import pytest

from gpt_keras.cli import chat
from gpt_keras.cli import convert
from gpt_keras.cli import detect_watermark
from gpt_keras.cli import evaluate
from gpt_keras.cli import export
from gpt_keras.cli import generate
from gpt_keras.cli import inspection
from gpt_keras.cli import measure_conversion
from gpt_keras.cli import measure_export
from gpt_keras.cli import measure_hosts
from gpt_keras.cli import measure_kills
from gpt_keras.cli import measure_loading
from gpt_keras.cli import measure_parity
from gpt_keras.cli import measure_plan
from gpt_keras.cli import measure_serving
from gpt_keras.cli import measure_store
from gpt_keras.cli import measure_watermark
from gpt_keras.cli import plan
from gpt_keras.cli import prepare
from gpt_keras.cli import program
from gpt_keras.cli import query
from gpt_keras.cli import resize
from gpt_keras.cli import serve
from gpt_keras.cli import train
from gpt_keras.config import TrainConfig
from gpt_keras.model import GPTModel
from gpt_keras.recipes import RECIPES
from gpt_keras.serving.server_config import ServerConfig
from gpt_keras.serving.signature_table import MEANINGS
from gpt_keras.serving.signature_table import signature_table
from gpt_keras.serving.signatures import make_signatures
from gpt_keras.text.character_tokenizer import CharacterTokenizer

ROOT = pathlib.Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
# In the order in which their blocks are run; the Chinese README has the same.
RUN = (
    "README.md",
    *(f"docs/{path.name}" for path in sorted(ROOT.glob("docs/*.md"))),
)
PAGES = ("README.zh-CN.md", *RUN)
LANGUAGES = ("bash", "python")  # of the blocks that are run
# Flags of TF Serving, Slurm and absl, and the one that every program has.
FOREIGN_FLAGS = {
    "allow_version_labels_for_unavailable_models",
    "flagfile",
    "help",
    "logdir",
    "model_config_file_poll_wait_seconds",
    "per_process_gpu_memory_fraction",
    "rest_api_timeout_in_ms",
    "signal",
    "tensorflow_inter_op_parallelism",
    "tensorflow_intra_op_parallelism",
    "trace",
}


class Block(NamedTuple):
    """A block of code, the comment before it, and where it stands."""

    line: int
    mark: str
    language: str
    code: str


def _text(page):
    return (ROOT / page).read_text(encoding="utf-8")


def _blocks(page):
    """Returns the fenced blocks of a page."""
    found, start = [], None
    lines = _text(page).splitlines()
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start = number
            continue
        code = "\n".join(lines[start + 1 : number]) + "\n"
        found.append(Block(start + 1, lines[start - 1], lines[start][3:], code))
        start = None
    assert start is None, f"{page}: a block has no end"
    return found


def _kind(block):
    """Returns `run`, `slow` or `not run`; None for a block without a mark."""
    match = re.fullmatch(
        r"<!-- (run|slow(?=: .)|not run(?=: .)).*-->", block.mark
    )
    return match and match[1]


@pytest.fixture
def project(tmp_path):
    """A copy of the project, with `python` to run its programs with."""
    for page in PAGES:
        (tmp_path / page).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / page, tmp_path / page)
    for folder in ("gpt_keras", "tools"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return tmp_path


class Runner:
    """Runs the blocks of a page as they would be pasted into a shell."""

    def __init__(self, project):
        path = os.pathsep.join([str(project / ".venv/bin"), os.environ["PATH"]])
        self.options = {
            "cwd": project,
            "env": os.environ | {"PATH": path, "PYTHONUTF8": "1"},
            "stdout": subprocess.PIPE,
            "encoding": "utf-8",
        }
        self.server = subprocess.Popen(
            [sys.executable, ROOT / "tests/block_server.py"],
            stdin=subprocess.PIPE,
            **self.options,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stdin.close()
        self.server.wait()
        self.server.stdout.close()

    def run(self, block):
        """Returns the exit status and what was written."""
        return getattr(self, f"_{block.language}")(block.code)

    def _bash(self, code):
        result = subprocess.run(
            ["bash", "-euo", "pipefail"],
            input=code,
            stderr=subprocess.STDOUT,
            timeout=300,
            **self.options,
        )
        return result.returncode, result.stdout

    def _python(self, code):
        self.server.stdin.write(json.dumps(code) + "\n")
        self.server.stdin.flush()
        found = json.loads(self.server.stdout.readline())
        return found["status"], found["output"]


def test_blocks_that_are_marked_run_as_pasted(project):
    count = 0
    with Runner(project) as runner:
        for page in RUN:
            for block in _blocks(page):
                if _kind(block) == "run":
                    status, output = runner.run(block)
                    where = f"{page}:{block.line}"
                    assert status == 0, f"{where}\n{output[-3000:]}"
                    count += 1
    assert count > 5


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_whether_it_is_run(page):
    for block in _blocks(page):
        where = f"{page}:{block.line}"
        assert _kind(block), f"{where} has no mark"
        assert _kind(block) != "run" or block.language in LANGUAGES, where


def test_the_readmes_have_the_same_blocks():
    def without_comments(code):
        lines = [line.split("  #")[0].rstrip() for line in code.splitlines()]
        return [line for line in lines if not line.startswith("#")]

    english, chinese = (
        [
            (_kind(b), b.language, without_comments(b.code))
            for b in _blocks(page)
        ]
        for page in READMES
    )
    assert english == chinese


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)\s]+)\)", _text(page))
    assert links or page.startswith("docs/")
    for link in links:
        if not re.match(r"\w+:", link):
            path = (ROOT / page).parent / link.split("#")[0]
            assert path.exists(), f"{page} links to {link}"


@pytest.mark.parametrize("page", PAGES)
def test_tests_that_are_named_exist(page):
    names = re.findall(r"\b(tests/[\w/]+\.py)(?:::(\w+))?", _text(page))
    for file, name in names:
        assert (ROOT / file).exists(), f"{page} names {file}"
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        functions = [
            x.name for x in tree.body if isinstance(x, ast.FunctionDef)
        ]
        assert not name or name in functions, f"{page} names {file}::{name}"


@pytest.mark.parametrize("page", PAGES)
def test_excerpts_stand_in_their_files(page):
    for block in _blocks(page):
        if match := re.search(r"an excerpt of (\S+) -->", block.mark):
            code = _without_indentation(_text(match[1]))
            where = f"{page}:{block.line}"
            assert _without_indentation(block.code) in code, where


def _without_indentation(code):
    return re.sub(r"^ +", "", code, flags=re.MULTILINE)


def _flags_of_tools():
    """Returns the names of each tool's flags."""
    found = {
        tool.__name__.split(".")[-1]: {*program.parse(_all_optional(tool))}
        for tool in (
            train,
            generate,
            export,
            convert,
            detect_watermark,
            evaluate,
            measure_watermark,
            measure_export,
            measure_hosts,
            measure_kills,
            measure_parity,
            measure_conversion,
            measure_loading,
            measure_plan,
            plan,
            measure_store,
            prepare,
            resize,
            serve,
            query,
            measure_serving,
            chat,
        )
    }
    found["inspect"] = {*program.parse(_all_optional(inspection))}
    for name in ("complete", "check_export"):
        source = (ROOT / f"tools/{name}.py").read_text(encoding="utf-8")
        names = re.findall(r"flags\.DEFINE_\w+\(\s*\"(\w+)\"", source)
        found[name] = set(names)
    return found


def _all_optional(tool):
    def define(values):
        tool.define_flags(values)
        for name in values:
            values[name].validators.clear()

    return define


@pytest.mark.parametrize("page", PAGES)
def test_flags_that_are_named_exist(page):
    known = _flags_of_tools()
    text = _text(page).replace("\\\n", " ")
    for tool, rest in re.findall(r"python -m tools\.(\w+)([^\n`]*)", text):
        used = set(re.findall(r"--(\w+)", rest))
        assert used <= known[tool], f"{page}: tools.{tool} {rest}"
    used = set(re.findall(r"`--(\w+)[^`]*`", text))
    unknown = used - set().union(*known.values(), FOREIGN_FLAGS)
    assert not unknown, f"{page} names {unknown}"


@pytest.mark.parametrize("page", READMES)
def test_recipes_have_their_sizes(page):
    for name, config in RECIPES.items():
        (row,) = re.findall(rf"^\| `{name}` \| (.*) \|$", _text(page), re.M)
        vocabulary, *sizes = row.split(" | ")
        fields = "num_layers d_model num_heads max_length batch_size steps"
        values = [getattr(config, field) for field in fields.split()]
        assert sizes == [f"{value:,}" for value in values]
        if config.tokenizer == "byte_pair":
            assert f"{config.vocab_size:,}" in vocabulary


def test_the_tables_of_flags_and_recipes_are_up_to_date():
    text = _text("docs/training.md")
    for table in (_recipes_table(), _flags_table()):
        assert table in text, f"docs/training.md should have\n\n{table}"


def test_the_table_of_the_server_s_flags_is_up_to_date():
    rows = ["| flag | default | what |", "|---|---|---|"]
    for field in dataclasses.fields(ServerConfig):
        cells = (
            f"`--{field.name}`",
            _value(field.default),
            field.metadata["help"],
        )
        rows.append(f"| {' | '.join(cells)} |")
    table = "\n".join(rows) + "\n"
    text = _text("docs/local_server.md")
    assert table in text, f"docs/local_server.md should have\n\n{table}"


def test_the_signatures_are_those_of_the_export():
    tokenizer = CharacterTokenizer("ab")
    model = GPTModel(4, 8, 2, 8, max_length=4, num_layers=1)
    model.build((None, 4))
    signatures = make_signatures(model, tokenizer)
    functions = {name: one.trace() for name, one in signatures.items()}
    rows, types = [], {}
    for name, sides in signature_table(functions).items():
        cells = [_codes(sides["inputs"]), _codes(sides["outputs"])]
        rows.append(f"| `{name}` | {' | '.join(cells)} |\n")
        for tensor in sides["inputs"] + sides["outputs"]:
            types[tensor["name"]] = _type(tensor)
    meanings = [
        f"| `{name}` | {types[name]} | {meaning} |\n"
        for name, meaning in MEANINGS.items()
    ]
    for table in ("".join(rows), "".join(meanings)):
        assert table in _text("docs/serving.md"), f"should have\n\n{table}"


def _codes(tensors):
    return ", ".join(f"`{tensor['name']}`" for tensor in tensors)


def _type(tensor):
    names = ["batch", "length", "…"]
    sizes = [
        name if size is None else "…"
        for name, size in zip(names, tensor["shape"], strict=False)
    ]
    return f"{tensor['dtype']} ({', '.join(sizes)})"


def _flags_table():
    rows = ["| flag | default | what | may change |", "|---|---|---|---|"]
    for field in dataclasses.fields(TrainConfig):
        may_change = "yes" if field.metadata["may_change"] else ""
        cells = (
            f"`--{field.name}`",
            _value(field.default),
            field.metadata["help"],
            may_change,
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _recipes_table():
    """One row for each setting that is not everywhere the default."""
    names = " | ".join(f"`{name}`" for name in RECIPES)
    rows = [f"| setting | {names} |", "|---" * (len(RECIPES) + 1) + "|"]
    for field in dataclasses.fields(TrainConfig):
        values = [getattr(config, field.name) for config in RECIPES.values()]
        if set(values) != {field.default}:
            cells = [
                "" if value == field.default else _value(value)
                for value in values
            ]
            rows.append(f"| `{field.name}` | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _value(value):
    return "" if value in (None, "") else f"`{value}`"
