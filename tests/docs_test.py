"""Tests of README and docs: what is marked as run runs, and names exist."""

import ast
import dataclasses
import json
import pathlib
import re
import shlex
import subprocess
import sys

import limited_process
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
from gpt_keras.cli import measure_tasks
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
from gpt_keras.task_recipes import TASK_RECIPES
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.template import TEMPLATES
from gpt_keras.text.template_parts import Special
from tools import measure_recipes
from tools.benchmark import __main__ as benchmark
from tools.docs_blocks import LANGUAGES
from tools.docs_blocks import copy_project
from tools.docs_blocks import environment
from tools.docs_blocks import find_anchors
from tools.docs_blocks import find_blocks
from tools.docs_blocks import find_links
from tools.docs_blocks import find_pages
from tools.docs_blocks import find_translations
from tools.docs_blocks import read_page
from tools.docs_blocks import run_block

ROOT = pathlib.Path(__file__).parents[1]
GUIDES = ("docs/train_your_own.md", "docs/zh-CN/train_your_own.md")
RUN = find_pages()
TRANSLATIONS = find_translations()
PAGES = (*TRANSLATIONS.values(), *RUN)
EVERYWHERE = {"flagfile", "help", "helpfull", "verbose"}  # every program has it
FORMS = {"name", "noname"}  # of flags in general
# Flags of TF Serving, Slurm and the command itself, what all have, and one
# with a prefix of somebody's own.
FOREIGN_FLAGS = (
    EVERYWHERE
    | FORMS
    | {
        "allow_version_labels_for_unavailable_models",
        "gpt_steps",
        "logdir",
        "model_config_file_poll_wait_seconds",
        "per_process_gpu_memory_fraction",
        "rest_api_enable_cors_support",
        "rest_api_timeout_in_ms",
        "signal",
        "tensorflow_inter_op_parallelism",
        "tensorflow_intra_op_parallelism",
        "version",
    }
)


def _text(page):
    return read_page(page)


def _blocks(page):
    return find_blocks(read_page(page))


@pytest.fixture
def project(tmp_path):
    """A copy of the project, with `python` to run its programs with."""
    copy_project(tmp_path)
    return tmp_path


def _commands(code):
    """Returns the arguments of each `python -m tools.…`; else None.

    None, too, where anything is left to the shell: a block that has other
    lines, or an unquoted character that a shell may read otherwise.
    """
    commands = []
    for line in code.replace("\\\n", " ").splitlines():
        plain = re.sub(r"'[^']*'", "", line)
        if not re.fullmatch(r"python -m tools\.\w+( [\w\s=.,:/+-]*)?", plain):
            return None
        commands.append(shlex.split(line)[2:])
    return commands or None


class Runner:
    """Runs the blocks of a page as they would be pasted into a shell.

    Programs of the project run in a process of their own, forked from one that
    has imported what all of them import; other commands are left to bash.
    """

    def __init__(self, project):
        self.project = project
        self.server = subprocess.Popen(
            [sys.executable, ROOT / "tests/block_server.py"],
            cwd=project,
            env=environment(project),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stdin.close()
        try:
            self.server.wait(60)
        finally:
            limited_process.kill_all(self.server)
            self.server.stdout.close()

    def run(self, block):
        """Returns the exit status and what was written."""
        if block.language == "python":
            return self._python(block.code)
        commands = _commands(block.code)
        if commands is None:
            return run_block(block, self.project, seconds=300)
        written = ""
        for command in commands:
            status, output = self._python(command)
            written += output
            if status:
                break
        return status, written

    def _python(self, block):
        self.server.stdin.write(json.dumps(block) + "\n")
        self.server.stdin.flush()
        found = json.loads(self.server.stdout.readline())
        return found["status"], found["output"]


@pytest.mark.parametrize(
    "code, commands",
    [
        ("python -m tools.a\n", [["tools.a"]]),
        (
            "python -m tools.a --b=c \\\n    --d='e f*'\npython -m tools.g\n",
            [["tools.a", "--b=c", "--d=e f*"], ["tools.g"]],
        ),
        ("python -m tools.a --b=*.txt\n", None),
        ("python -m tools.a > b\n", None),
        ("python -m tools.a --b=$C\n", None),
        ("python -m tools.a\nls\n", None),
        ("python a.py\n", None),
    ],
)
def test_the_shell_gets_all_that_it_might_read_otherwise(code, commands):
    assert _commands(code) == commands


@pytest.mark.parametrize(
    "block, status, words",
    [
        ("print(1)", 0, "1\n"),
        ("raise SystemExit(3)", 3, ""),
        ("raise ValueError('no')", 1, "ValueError: no"),
        (["tools.nothing"], 1, "No module named"),
        (["tools.generate", "--model_dir=none", "--prompt=a"], 1, "error: "),
    ],
)
def test_a_block_that_fails_is_told(runner, block, status, words):
    found, output = runner._python(block)
    assert found == status and words in output


@pytest.fixture(scope="module")
def runner():
    with Runner(ROOT) as runner:
        yield runner


@pytest.mark.timeout(1800)  # a dozen programs one after the other
def test_blocks_that_are_marked_run_as_pasted(project):
    count = 0
    with Runner(project) as runner:
        for page in RUN:
            for block in _blocks(page):
                if block.kind == "run":
                    status, output = runner.run(block)
                    where = f"{page}:{block.line}"
                    assert status == 0, f"{where}\n{output[-3000:]}"
                    count += 1
    assert count > 5


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_whether_it_is_run(page):
    for block in _blocks(page):
        where = f"{page}:{block.line}"
        assert block.kind, f"{where} has no mark"
        assert block.kind != "run" or block.language in LANGUAGES, where


@pytest.mark.parametrize("page", TRANSLATIONS)
def test_both_languages_have_the_same_blocks(page):
    def without_comments(code):
        lines = [line.split("  #")[0].rstrip() for line in code.splitlines()]
        return [line for line in lines if not line.startswith("#")]

    english, chinese = (
        [(b.kind, b.language, without_comments(b.code)) for b in _blocks(one)]
        for one in (page, TRANSLATIONS[page])
    )
    assert english == chinese


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_their_parts(page):
    links = find_links(_text(page))
    assert links or page.startswith("docs/")
    for link in links:
        if re.match(r"\w+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page} links to {link}"
        if anchor and path.suffix == ".md":
            anchors = find_anchors(path.read_text(encoding="utf-8"))
            assert anchor in anchors, f"{page} links to {link}"


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
            measure_tasks,
            prepare,
            resize,
            serve,
            query,
            measure_serving,
            chat,
        )
    }
    found["api_reference"] = {"check"}
    found["inspect"] = {*program.parse(_all_optional(inspection))}
    for name in ("complete", "check_export", "docs_check", "docs_pictures"):
        source = (ROOT / f"tools/{name}.py").read_text(encoding="utf-8")
        names = re.findall(r"flags\.DEFINE_\w+\(\s*\"(\w+)\"", source)
        found[name] = set(names)
    found["benchmark"] = {*program.parse(_all_optional(benchmark))}
    found["measure_recipes"] = {*program.parse(_all_optional(measure_recipes))}
    source = (ROOT / "tools/screenshots/__main__.py").read_text("utf-8")
    found["screenshots"] = set(re.findall(r"\"--(\w+)\"", source))
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
        assert used - EVERYWHERE <= known[tool], f"{page}: {tool} {rest}"
    used = set(re.findall(r"`--(\w+)[^`]*`", text))
    unknown = used - set().union(*known.values(), FOREIGN_FLAGS)
    assert not unknown, f"{page} names {unknown}"


@pytest.mark.parametrize("page", GUIDES)
def test_recipes_have_their_sizes(page):
    for name, config in RECIPES.items():
        if name in TASK_RECIPES:
            continue  # in docs/tasks.md
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


def test_docs_tables_of_tasks():
    text = _text("docs/tasks.md")
    for table in (_templates_table(), _tasks_table()):
        assert table in text, f"docs/tasks.md should have\n\n{table}"


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
    """One row for each setting that is not everywhere the default.

    The recipes of tasks are in docs/tasks.md.
    """
    recipes = {k: v for k, v in RECIPES.items() if k not in TASK_RECIPES}
    names = " | ".join(f"`{name}`" for name in recipes)
    rows = [f"| setting | {names} |", "|---" * (len(recipes) + 1) + "|"]
    for field in dataclasses.fields(TrainConfig):
        values = [getattr(config, field.name) for config in recipes.values()]
        if set(values) != {field.default}:
            cells = [
                "" if value == field.default else _value(value)
                for value in values
            ]
            rows.append(f"| `{field.name}` | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _tasks_table():
    """A row for each recipe of a task, in the order of the table."""
    names = ("template", "max_length", "num_layers", "d_model", "steps")
    rows = [
        f"| recipe | {' | '.join(f'`{name}`' for name in names)} |",
        "|---" * (len(names) + 1) + "|",
    ]
    for recipe, config in TASK_RECIPES.items():
        cells = [_value(getattr(config, name)) for name in names]
        rows.append(f"| `{recipe}` | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _templates_table():
    rows = ["| template | prompt | what is cut |", "|---|---|---|"]
    for name, template in TEMPLATES.items():
        parts = " ".join(
            "`{}`".format(part.name.replace("|", r"\|"))
            if isinstance(part, Special)
            else part.name
            for part in template.prompt
        )
        end = ", from its beginning" if template.keep_end else ""
        cut = "the oldest turns" if template.turns else template.truncate + end
        rows.append(f"| `{name}` | {parts} | {cut} |")
    return "\n".join(rows) + "\n"


def _value(value):
    return "" if value in (None, "") else f"`{value}`"
