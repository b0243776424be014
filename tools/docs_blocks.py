"""Pages of documentation in, their blocks of code, links and anchors out."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
MARKS = ("run", "slow", "not run")
LANGUAGES = ("bash", "python")  # of the blocks that are run
_NOT_COPIED = (
    ".*",
    "*.egg-info",
    "__pycache__",
    "bazel-*",
    "build",
    "dist",
    "runs",
)


class Block(NamedTuple):
    """A block of code, and what stands about it.

    Attributes:
        line: Of its first line of code, less one.
        mark: The line before it.
        language: As the fence has it.
        code: With a line end at the end.
    """

    line: int
    mark: str
    language: str
    code: str

    @property
    def kind(self) -> str | None:
        """Returns one of `MARKS`; None for a block without a mark.

        What isn't run says why, and what is slow how slow.
        """
        match = re.fullmatch(
            r"<!-- (run|slow(?=: .)|not run(?=: .)).*-->", self.mark
        )
        return match and match[1]


def find_pages(root: pathlib.Path = ROOT) -> tuple[str, ...]:
    """Returns the pages in the order in which their blocks are run.

    The README comes first: the others go on from what its blocks make.
    """
    docs = sorted(
        path.relative_to(root).as_posix() for path in root.glob("docs/*.md")
    )
    return ("README.md", *docs)


def find_translations(root: pathlib.Path = ROOT) -> dict[str, str]:
    """Returns the Chinese page of each page that has one.

    Its blocks are those of the other page, and are not run again.
    """
    pairs = {page: f"docs/zh-CN/{page[5:]}" for page in find_pages(root)[1:]}
    pairs = {"README.md": "README.zh-CN.md", **pairs}
    return {a: b for a, b in pairs.items() if (root / b).exists()}


def read_page(page: str, root: pathlib.Path = ROOT) -> str:
    """Returns the text of a page."""
    return (root / page).read_text(encoding="utf-8")


def find_blocks(text: str) -> list[Block]:
    """Returns the fenced blocks of a page.

    Raises:
        ValueError: A block has no end.
    """
    found, start = [], None
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start = number
            continue
        code = "\n".join(lines[start + 1 : number]) + "\n"
        mark = lines[start - 1] if start else ""
        found.append(Block(start + 1, mark, lines[start][3:], code))
        start = None
    if start is not None:
        raise ValueError(
            f"A block must have an end. Received: line {start + 1}"
        )
    return found


def find_links(text: str) -> list[str]:
    """Returns the targets of a page's links and pictures, code left out."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text))


def find_anchors(text: str) -> set[str]:
    """Returns what a link may name behind `#`, by the rules of GitHub.

    Of a heading, letters are lowered, punctuation goes and a space becomes a
    hyphen; the second one of a name gets `-1`.
    """
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    found, counts = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text)), {}
    for title in re.findall(r"^#{1,6} +(.+?)\s*$", text, re.MULTILINE):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        name = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        count = counts.get(name, 0)
        counts[name] = count + 1
        found.add(f"{name}-{count}" if count else name)
    return found


def copy_project(folder: pathlib.Path, root: pathlib.Path = ROOT) -> None:
    """Copies the project without what it made, with a `.venv` of this Python.

    Args:
        folder: Where to; it may be there.
        root: The project.
    """

    def ignored(path, names):
        made = shutil.ignore_patterns(*_NOT_COPIED)(path, names)
        if pathlib.Path(path) == root / "saved_models":
            made |= {x for x in names if (root / "saved_models" / x).is_dir()}
        return made

    shutil.copytree(root, folder, ignore=ignored, dirs_exist_ok=True)
    python = folder / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    requirements = root / "requirements.txt"  # as tools/environment.sh asks
    shutil.copyfile(requirements, folder / ".venv/requirements.txt")


def environment(folder: pathlib.Path) -> dict[str, str]:
    """Returns the environment in which blocks run in a copy."""
    path = os.pathsep.join([str(folder / ".venv/bin"), os.environ["PATH"]])
    return os.environ | {"PATH": path, "PYTHONUTF8": "1"}


def run_block(
    block: Block, folder: pathlib.Path, seconds: float
) -> tuple[int | None, str]:
    """Runs a block in a copy as it would be pasted into a shell.

    Args:
        block: One of `LANGUAGES`.
        folder: The copy.
        seconds: After which it is ended, with all that it started.

    Returns:
        The exit status, None for one that took too long, and what was written.
    """
    python = str(folder / ".venv/bin/python")
    commands = {"bash": ["bash", "-euo", "pipefail"], "python": [python, "-"]}
    process = subprocess.Popen(
        commands[block.language],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(block.code, timeout=seconds)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return None, output
