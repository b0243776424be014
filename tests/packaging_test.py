"""Tests of the project's requirements and of what it expects of Keras."""

import ast
import importlib
import importlib.metadata
import os
import pathlib
import re
import sys
import tomllib

import keras
import limited_process
import numpy as np
import pytest
import sacrebleu
import yaml
from packaging.requirements import Requirement

import gpt_keras
from gpt_keras.model import GPTModel
from gpt_keras.training.muon import Muon
from gpt_keras.version import __version__

ROOT = pathlib.Path(__file__).parents[1]
FILES = sorted(ROOT.glob("gpt_keras/**/*.py"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]


def _requirements(lines):
    found = [Requirement(line) for line in lines]
    return {_plain(requirement.name): requirement for requirement in found}


def _plain(name):
    """Returns a distribution's name as all its spellings have it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _pins():
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    return _requirements(filter(None, (x.split("#")[0] for x in lines)))


def test_every_pin_lies_in_its_range():
    ranges = _requirements(
        [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]
    )
    pins = _pins()
    assert pins.keys() == ranges.keys()
    for name, pin in pins.items():
        (exact,) = pin.specifier
        assert exact.operator == "=="
        assert ranges[name].specifier.contains(exact.version), name


def test_the_package_has_its_data():
    serving = ROOT / "gpt_keras/serving"
    packed = {
        path
        for package, patterns in SETUPTOOLS["package-data"].items()
        for glob in patterns
        for path in ROOT.joinpath(*package.split(".")).glob(glob)
    }
    files = {path for path in ROOT.glob("gpt_keras/**/*") if path.is_file()}
    data = {
        path
        for path in files
        if path.name != "BUILD" and path.suffix not in (".py", ".pyc")
    }
    assert serving / "playground/index.html" in packed
    assert data == packed


def _trees(files):
    return [ast.parse(path.read_text(encoding="utf-8")) for path in files]


def _imported(tree):
    """Returns the modules that a file imports, by a statement or a call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", None)
            if name == "import_module" and isinstance(
                node.args[0], ast.Constant
            ):
                yield node.args[0].value


# What is imported only where Keras runs on it, and is there then.
BACKENDS = {"jax"}


def test_every_import_is_of_a_dependency():
    modules = {name for tree in _trees(FILES) for name in _imported(tree)}
    assert not [x for x in modules if "._" in x or "keras.src" in x]
    packages = {name.split(".")[0] for name in modules}
    foreign = packages - set(sys.stdlib_module_names) - {"gpt_keras"}
    foreign -= BACKENDS
    assert {"keras", "tensorflow", "tensorflow_datasets"} <= foreign
    distributions = importlib.metadata.packages_distributions()
    allowed = _requirements(PROJECT["dependencies"])
    for package in foreign:
        names = {_plain(name) for name in distributions.get(package, ())}
        assert names & allowed.keys(), package


def _compiled_model():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def _built_layer():
    layer = keras.layers.Dense(1)
    layer.build((None, 1))
    return layer


def _built_adam():
    optimizer = keras.optimizers.Adam()
    optimizer.build([keras.Variable([0.0])])
    return optimizer


# Private names of Keras and sacreBLEU that the project uses or overrides, and
# what has them.
PRIVATE_NAMES = {
    "_loss_tracker": _compiled_model,
    "_all_reduce_sum_gradients": keras.optimizers.SGD,
    "_backend_update_step": keras.optimizers.SGD,
    "_backend_apply_gradients": keras.optimizers.SGD,
    "_apply_weight_decay": keras.optimizers.SGD,
    "_clip_gradients": keras.optimizers.SGD,
    "_use_weight_decay": keras.optimizers.SGD,
    "_momentums": _built_adam,
    "_velocities": _built_adam,
    "_maybe_symbolic_build": keras.Model,
    "_symbolic_build": keras.Model,
    "_get_variable_index": keras.optimizers.SGD,
    "_flatten_layers": keras.layers.Layer,
    "_kernel": _built_layer,
    "_extract_corpus_statistics": sacrebleu.CHRF,
    "_compute_score_from_stats": sacrebleu.CHRF,
}
# Public in spite of their names: methods of named tuples, and `os._exit`.
PUBLIC_NAMES = {"_asdict", "_exit", "_fields", "_make", "_replace"}
# Strings that are no attributes: the ends of names.
ENDINGS = {"_before", "_bytes"}


def _private_names(tree):
    """Returns the private attributes that a file uses and doesn't make.

    What it asks of `super()` somebody else makes.
    """
    used, made, inherited = set(), set(), set()
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    for node in _without_f_strings(tree):
        if isinstance(node, functions | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.Attribute):
            of_self = getattr(node.value, "id", None) == "self"
            stored = isinstance(node.ctx, ast.Store)
            (made if of_self and stored else used).add(node.attr)
            if ast.unparse(node.value) == "super()":
                inherited.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(r"_[a-z]\w*", node.value):  # for getattr
                used.add(node.value)
    foreign = (used - made) | inherited
    names = {name for name in foreign if re.match(r"_[^_]", name)}
    return names - PUBLIC_NAMES - ENDINGS


def _without_f_strings(tree):
    """Returns all nodes but the pieces of text in f-strings."""
    nodes = list(ast.walk(tree))
    strings = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    pieces = {id(value) for node in strings for value in node.values}
    return [node for node in nodes if id(node) not in pieces]


def test_only_listed_private_names_of_keras_are_used():
    found = set().union(*map(_private_names, _trees(FILES)))
    assert found == PRIVATE_NAMES.keys()


@pytest.mark.parametrize("name", PRIVATE_NAMES)
def test_keras_has_the_private_name(name):
    assert hasattr(PRIVATE_NAMES[name](), name)


@pytest.mark.parametrize("value", ["1", "True"])
def test_legacy_keras_is_refused(value):
    result = limited_process.run(
        [sys.executable, "-c", "import gpt_keras"],
        cwd=ROOT,
        env=os.environ | {"TF_USE_LEGACY_KERAS": value},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(
        "ImportError: gpt_keras needs Keras 3"
    )
    assert f"TF_USE_LEGACY_KERAS={value}." in result.stderr


def test_a_saved_model_loads_after_the_import_alone(tmp_path):
    model = GPTModel(9, 8, 2, 8, max_length=4, num_layers=1)
    model.compile(Muon(0.1))
    x = np.zeros((1, 4), np.int32)
    model.build(x.shape)
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "saved.keras")
    program = f"""
import gpt_keras
import keras
import numpy as np
for name in ("GPTModel", "MatrixAdamW", "Muon"):
    assert keras.saving.get_registered_object(f"gpt_keras>{{name}}"), name
model = keras.models.load_model({str(tmp_path / "saved.keras")!r})
assert type(model) is gpt_keras.GPTModel
assert type(model.optimizer).__name__ == "Muon"
logits = model(np.zeros((1, 4), np.int32))
np.save({str(tmp_path / "logits.npy")!r}, logits)
"""
    limited_process.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    np.testing.assert_allclose(
        np.load(tmp_path / "logits.npy"), model(x), rtol=1e-5, atol=1e-6
    )


def test_the_version_stands_once_and_the_files_say_it():
    assert gpt_keras.__version__ == __version__
    assert "version" not in PROJECT and PROJECT["dynamic"] == ["version"]
    tool = PYPROJECT["tool"]["setuptools"]
    assert tool["dynamic"]["version"]["attr"] == (
        "gpt_keras.version.__version__"
    )
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    (newest, *_) = re.findall(r"^## \[?(\d+\.\d+\.\d+)", changes, re.M)
    assert newest == __version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["license"] == "Apache-2.0"
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")


def test_the_command_and_the_types_are_in_the_package():
    module, name = PROJECT["scripts"]["gpt-keras"].split(":")
    assert callable(getattr(importlib.import_module(module), name))
    assert (ROOT / "gpt_keras/py.typed").exists()
    assert (
        "py.typed"
        in PYPROJECT["tool"]["setuptools"]["package-data"]["gpt_keras"]
    )
