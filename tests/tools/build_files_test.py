"""Tests of `tools.build_files`."""

import pathlib

import pytest

from tools import build_files

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path):
    files = {
        "gpt_keras/__init__.py": "from gpt_keras.model import Model",
        "gpt_keras/model.py": "import os\nimport numpy",
        "gpt_keras/text/__init__.py": "",
        "gpt_keras/text/words.py": "def f():\n    import gpt_keras.model",
        "gpt_keras/text/letters.py": "from gpt_keras.text import words, x",
        "tests/conftest.py": "",
        "tests/helping.py": "from gpt_keras.text.words import f",
        "tests/text/program.py": "import gpt_keras.model",
        "tests/text/words_test.py": '"""Of gpt_keras.text.letters."""\n'
        'import helping\nrun("program.py")\nrun("import gpt_keras.model")\n'
        'run("tools.look")',
        "tools/__init__.py": "",
        "tools/train.py": "from gpt_keras import Model",
        "tools/look/__main__.py": "import gpt_keras.model",
        "gpt_keras/web/pages.py": "FOLDER = 'files'\nOTHER = 'more'",
        "gpt_keras/web/files/page.html": "",
        "gpt_keras/web/files/page.js": "",
        "gpt_keras/web/more/part.py": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "needed"),
    [
        ("gpt_keras/__init__.py", ["gpt_keras/model.py"]),
        ("gpt_keras/model.py", []),
        ("gpt_keras/text/words.py", ["gpt_keras/model.py"]),
        (
            "gpt_keras/text/letters.py",
            ["gpt_keras/text/__init__.py", "gpt_keras/text/words.py"],
        ),
        (
            "tests/text/words_test.py",
            [
                "gpt_keras/__init__.py",
                "gpt_keras/model.py",
                "tests/conftest.py",
                "tests/helping.py",
                "tests/text/program.py",
                "tools/__init__.py",
                "tools/look/__main__.py",
            ],
        ),
        ("tools/train.py", ["gpt_keras/__init__.py"]),
        ("tools/look/__main__.py", ["gpt_keras/model.py"]),
    ],
)
def test_a_file_needs_what_it_imports_and_runs(project, file, needed):
    found = build_files.dependencies(project, pathlib.Path(file))
    assert sorted(map(str, found)) == needed


def test_rules_of_the_kinds_of_files(project):
    texts = build_files.build_files(project)
    assert (
        'name = "text",\n    srcs = ["__init__.py"]'
        in texts["gpt_keras/text/BUILD"]
    )
    assert '":text",\n        ":words"' in texts["gpt_keras/text/BUILD"]
    assert '"//gpt_keras:model"' in texts["gpt_keras/text/BUILD"]
    assert 'py_binary(\n    name = "train"' in texts["tools/BUILD"]
    assert 'deps = ["//gpt_keras"]' in texts["tools/BUILD"]
    assert (
        'py_binary(\n    name = "look",\n    srcs = ["__main__.py"]'
        in texts["tools/look/BUILD"]
    )
    assert 'main = "__main__.py"' in texts["tools/look/BUILD"]
    assert 'args = ["tests/text/words_test.py"]' in texts["tests/text/BUILD"]
    assert '"//tests:helping"' in texts["tests/text/BUILD"]


def test_a_folder_of_data_goes_with_the_file_that_names_it(project):
    text = build_files.build_files(project)["gpt_keras/web/BUILD"]
    assert (
        'name = "pages",\n    srcs = ["pages.py"],\n    data = [\n'
        '        "files/page.html",\n        "files/page.js",\n    ]' in text
    )
    assert 'srcs = glob(["*", "files/**"])' in text
    assert "more" not in text


def test_puts_right_what_is_wrong(project, monkeypatch, capsys):
    monkeypatch.setattr(build_files, "ROOT", project)
    assert build_files.main(["--check"]) == 1
    assert not (project / "BUILD").exists()
    assert build_files.main([]) == 0
    assert build_files.main(["--check"]) == 0
    file = project / "gpt_keras/text/BUILD"
    right = file.read_text()
    file.write_text(right.replace('    deps = ["//gpt_keras:model"],\n', ""))
    assert file.read_text() != right
    capsys.readouterr()
    assert build_files.main(["--check"]) == 1
    assert capsys.readouterr().out == "gpt_keras/text/BUILD\n"
    assert build_files.main([]) == 0
    assert file.read_text() == right


def test_the_projects_files_are_up_to_date():
    stale = list(build_files.stale_files(ROOT))
    assert not stale, "run `python -m tools.build_files`"
