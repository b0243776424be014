"""Tests of the notebooks: they are whole, and run one after the other."""

import ast
import json
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
# In the order in which they build on each other; smaller than they say.
SETTINGS = {
    "quick_start": {
        "TEXT": "text.txt",
        "VOCAB_SIZE": 280,
        "LENGTH": 32,
        "BATCH_SIZE": 8,
        "STEPS": 40,
        "D_MODEL": 32,
        "NUM_HEADS": 2,
        "DFF": 64,
        "NUM_LAYERS": 1,
    },
    "fine_tune": {"RANK": 4, "STEPS": 30, "BATCH_SIZE": 8},
    "serve": {"SIGNATURES": ("generate",), "MAX_NEW_TOKENS": 2},
}
MOST_BYTES = 20_000


def _notebook(name):
    text = (NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")
    return json.loads(text)


def _code(name):
    """Returns the code cells: their text and their tags."""
    return [
        ("".join(cell["source"]), cell["metadata"].get("tags", []))
        for cell in _notebook(name)["cells"]
        if cell["cell_type"] == "code"
    ]


def test_all_notebooks_are_run():
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == {*SETTINGS}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_file_is_as_the_format_wants_it(name):
    """Checks what nbformat 4.5 requires, and that no outputs are kept."""
    notebook = _notebook(name)
    assert notebook.keys() == {
        "cells",
        "metadata",
        "nbformat",
        "nbformat_minor",
    }
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len({*ids}) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", id) for id in ids)
    for cell in notebook["cells"]:
        fields = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            fields |= {"execution_count", "outputs"}
            assert cell["execution_count"] is None and cell["outputs"] == []
        else:
            assert cell["cell_type"] == "markdown"
        assert cell.keys() == fields
        *whole, last = cell["source"]
        assert all(line.endswith("\n") for line in whole)
        assert last and not last.endswith("\n")
    size = (NOTEBOOKS / f"{name}.ipynb").stat().st_size
    assert size < MOST_BYTES


@pytest.mark.parametrize("name", SETTINGS)
def test_every_section_is_in_both_languages(name):
    for cell in _notebook(name)["cells"]:
        if cell["cell_type"] == "markdown":
            assert re.search("[\u4e00-\u9fff]", "".join(cell["source"]))


@pytest.mark.parametrize("name", SETTINGS)
def test_the_settings_are_those_of_the_notebook(name):
    ((cell, _),) = [x for x in _code(name) if "parameters" in x[1]]
    names = {
        node.id
        for node in ast.walk(ast.parse(cell))
        if isinstance(node, ast.Name)
    }
    assert SETTINGS[name].keys() <= names


def test_they_run_one_after_the_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    text = "The statement is a sentence. 一个语句。\n" * 200
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    for name, settings in SETTINGS.items():
        _run(name, settings)
    printed = capsys.readouterr().out
    assert "`temperature` must be a number that is finite and >= 0" in printed
    assert (tmp_path / "saved_models/notebook/1/saved_model.pb").exists()


def _run(name, settings):
    """Runs the cells as a kernel does, with other settings behind theirs."""
    values = {"__name__": "__main__"}
    for number, (cell, tags) in enumerate(_code(name), 1):
        exec(compile(cell, f"{name}.ipynb, cell {number}", "exec"), values)
        if "parameters" in tags:
            values |= settings
