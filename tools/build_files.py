"""The Python files' imports in, Bazel's BUILD files out.

    python -m tools.build_files            # writes them
    python -m tools.build_files --check    # says what is out of date

A library for every file, a test for every test file, a program for every tool
(a file, or a folder with a `__main__.py`); each depends on exactly what it
imports. The `__init__.py` of a package is a dependency only where something is
imported from it.
"""

import ast
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = ("gpt_keras", "tests", "tools")
IMPORT_ROOTS = (".", "tests")  # as for pytest, see pyproject.toml
NAMED_BY_FOLDER = ("__init__.py", "__main__.py")
# Tests that read the project's own files.
READS_TREE = (
    "architecture_test.py",
    "build_files_test.py",
    "docker_test.py",
    "docs_test.py",
    "main_test.py",
    "notebooks_test.py",
    "packaging_test.py",
    "serving_config_test.py",
)
# Folders whose tests may take more than Bazel's five minutes.
LARGE = (
    "tests/cli",
    "tests/generation",
    "tests/serving",
    "tests/tools",
    "tests/training",
)

_ROOT_BUILD = """\
package(default_visibility = ["//visibility:public"])

exports_files(["pyproject.toml"])

filegroup(
    name = "tree",
    srcs = glob(
        [
            "*",
            "docker/**",
            "docs/**",
            "notebooks/**",
        ],
        exclude = ["bazel-*"],
    ) + [
        "//saved_models:configuration",
{trees}    ],
)
"""
_HEADER = """\
load("@rules_python//python:defs.bzl", {kinds})

package(default_visibility = ["//visibility:public"])

exports_files(glob(["*.py"]))

filegroup(
    name = "tree",
    srcs = glob({globs}),
)

"""
_MODULE_NAME = re.compile(r"\b(?:gpt_keras|tools)(?:\.\w+)*")


def build_files(root: pathlib.Path) -> dict[str, str]:
    """Returns the text of every BUILD file by its path under `root`."""
    folders = {}
    for top in FOLDERS:
        for path in sorted((root / top).rglob("*.py")):
            file = path.relative_to(root)
            folders.setdefault(file.parent, []).append(file)
    data = {x: _data_folders(root, y) for x, y in folders.items()}
    trees = [f'        "//{folder}:tree",\n' for folder in sorted(folders)]
    texts = {"BUILD": _ROOT_BUILD.format(trees="".join(trees))}
    for folder, sources in folders.items():
        rules = [_target(root, file) for file in sources]
        kinds = sorted({f'"{rule.split("(")[0]}"' for rule in rules})
        globs = ["*", *(f"{name}/**" for name in data[folder])]
        header = _HEADER.format(kinds=", ".join(kinds), globs=json.dumps(globs))
        texts[f"{folder}/BUILD"] = header + "\n".join(rules)
    return texts


def stale_files(root: pathlib.Path) -> dict[str, str]:
    """Returns of `build_files` those that are missing or say other things."""
    return {
        file: text
        for file, text in build_files(root).items()
        if not (root / file).exists() or (root / file).read_text() != text
    }


def dependencies(root: pathlib.Path, file: pathlib.Path) -> set[pathlib.Path]:
    """Returns the project's files that `file` needs."""
    tree = ast.parse((root / file).read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {_module(root, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = _module(root, node.module)
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(_module(root, name) or package)
    if file.parts[0] in ("tests", "tools"):
        found |= _run_by_name(root, file, tree)
    if file.name.endswith("_test.py"):
        conftests = [folder / "conftest.py" for folder in file.parents]
        found |= {path for path in conftests if (root / path).exists()}
    return found - {None, file}


def _module(root, name):
    """Returns the file of a module, None if it isn't one of the project's."""
    path = pathlib.Path(*name.split("."))
    for folder in IMPORT_ROOTS:
        inside = [path / name for name in NAMED_BY_FOLDER]
        for option in (path.with_suffix(".py"), *inside):
            if (root / folder / option).exists():
                return pathlib.Path(folder) / option
    return None


def _run_by_name(root, file, tree):
    """Returns what a file's strings name for a process of its own.

    That is a file beside it, or modules, whose packages the process
    imports as well.
    """
    found = set()
    for text in _strings(tree):
        if text.endswith(".py") and (root / file.parent / text).exists():
            found.add(file.parent / text)
        for name in _MODULE_NAME.findall(text):
            parts = name.split(".")
            names = [".".join(parts[: i + 1]) for i in range(len(parts))]
            found |= {_module(root, name) for name in names}
    return found


def _sources_beside(root, file):
    """Returns what a file's strings name that lies beside it, but Python.

    That is a source of C++, or a folder, with all its files.
    """
    tree = ast.parse((root / file).read_text(encoding="utf-8"))
    names = {text for text in _strings(tree) if text.endswith(".cc")}
    found = {x for x in names if (root / file.parent / x).exists()}
    for name in _data_folders(root, [file]):
        inside = (root / file.parent / name).iterdir()
        found |= {f"{name}/{path.name}" for path in inside}
    return sorted(found)


def _data_folders(root, files):
    """Returns the folders without Python that strings of files beside name."""
    found = set()
    for file in files:
        tree = ast.parse((root / file).read_text(encoding="utf-8"))
        for text in _strings(tree):
            folder = root / file.parent / text
            if text.isidentifier() and folder.is_dir():
                if not any(folder.rglob("*.py")):
                    found.add(text)
    return sorted(found)


def _strings(tree):
    """Returns the strings of a file, docstrings aside."""
    statements = [x for x in ast.walk(tree) if not isinstance(x, ast.Expr)]
    children = [y for x in statements for y in ast.iter_child_nodes(x)]
    values = [x.value for x in children if isinstance(x, ast.Constant)]
    return [value for value in values if isinstance(value, str)]


def _target(root, file):
    """Returns the rule of one Python file."""
    folder = file.parent
    deps = [_label(folder, needed) for needed in dependencies(root, file)]
    deps.sort(key=lambda label: (label.startswith("//"), label))
    name = folder.name if file.name in NAMED_BY_FOLDER else file.stem
    if file.name.endswith("_test.py"):
        runner = _label(folder, pathlib.Path("tests/run_pytest.py")) + ".py"
        own_files = "tree" if file.name in READS_TREE else "pyproject.toml"
        return _rule(
            "py_test",
            name=name,
            size="large" if str(folder) in LARGE else None,
            srcs=[file.name, runner],
            args=[str(file)],
            data=[f"//:{own_files}"],
            legacy_create_init=0,
            main=runner,
            deps=deps,
        )
    is_main = file.name == "__main__.py"
    is_program = is_main or folder.name == "tools" and name == file.stem
    return _rule(
        "py_binary" if is_program else "py_library",
        name=name,
        srcs=[file.name],
        data=_sources_beside(root, file),
        imports=["."] if str(folder) in IMPORT_ROOTS else None,
        legacy_create_init=0 if is_program else None,
        main=file.name if is_main else None,
        deps=deps,
    )


def _label(folder, file):
    package = file.name in NAMED_BY_FOLDER
    name = file.parent.name if package else file.stem
    if file.parent == folder:
        return f":{name}"
    return f"//{file.parent}" if package else f"//{file.parent}:{name}"


def _rule(kind, **attributes):
    """Returns a rule, without the attributes that are empty."""
    lines = [f"{kind}("]
    for name, value in attributes.items():
        if isinstance(value, list) and len(value) > 1:
            items = "".join(f'        "{item}",\n' for item in value)
            lines.append(f"    {name} = [\n{items}    ],")
        elif value not in (None, []):
            lines.append(f"    {name} = {json.dumps(value)},")
    return "\n".join([*lines, ")\n"])


def main(arguments):
    if arguments not in ([], ["--check"]):
        raise SystemExit("usage: python -m tools.build_files [--check]")
    stale = stale_files(ROOT)
    for file, text in stale.items():
        print(file)
        if not arguments:
            (ROOT / file).write_text(text, encoding="utf-8")
    return 1 if stale and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
