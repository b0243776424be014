"""Runs the slow blocks of the documentation, or counts all by their marks.

    python -m tools.docs_check --list
    python -m tools.docs_check --pages=docs/data.md:6 --minutes=10

The blocks run in a copy of the project, page by page, and go on from what those
before them made. The tests run the blocks that are not slow; `--marks=run,slow`
runs both kinds, where a slow one goes on from one of the README. The exit
status is 1 if a block failed.
"""

import collections
import pathlib
import sys
import tempfile
import time

from absl import app
from absl import flags

from tools import docs_blocks

_LIST = flags.DEFINE_bool("list", False, "Count the blocks, and run none.")
_PAGES = flags.DEFINE_list(
    "pages",
    [],
    "Pages whose blocks are run, or PAGE:LINE for one block as it is listed; "
    "by itself all.",
)
_MARKS = flags.DEFINE_list("marks", ["slow"], "Marks of what is run.")
_MINUTES = flags.DEFINE_float(
    "minutes", 60.0, "After which a block is ended and has failed.", 0.0
)
_FOLDER = flags.DEFINE_string(
    "folder", None, "Where the copy goes, and stays; by itself it goes away."
)
_TAIL = 3000  # characters of what a block that failed wrote


def count_blocks(root: pathlib.Path) -> dict[str, collections.Counter]:
    """Returns how many blocks of each mark a page has, by page."""
    pages = docs_blocks.find_pages(root)
    pages += tuple(docs_blocks.find_translations(root).values())
    return {
        page: collections.Counter(
            block.kind or "without a mark"
            for block in docs_blocks.find_blocks(
                docs_blocks.read_page(page, root)
            )
        )
        for page in pages
    }


def table_of(counts: dict[str, collections.Counter]) -> str:
    """Returns the counts as lines, with their sums."""
    marks = [*docs_blocks.MARKS, "without a mark"]
    rows = [["page", *marks]]
    rows += [
        [page, *(str(found[mark]) for mark in marks)]
        for page, found in counts.items()
    ]
    total = sum(counts.values(), collections.Counter())
    rows.append(["all", *(str(total[mark]) for mark in marks)])
    return "\n".join(
        f"{page:30}" + "".join(f"{cell:>16}" for cell in cells)
        for page, *cells in rows
    )


def run_blocks(
    root: pathlib.Path, folder: pathlib.Path, pages, marks, seconds: float
) -> list[str]:
    """Runs blocks in a copy of a project, and prints how each went.

    Args:
        root: The project.
        folder: Where the copy goes.
        pages: Whose blocks, or `page:line` of one; none for all.
        marks: Of the blocks.
        seconds: After which a block is ended.

    Returns:
        Where the blocks stand that failed.

    Raises:
        ValueError: There is no such page or mark.
    """
    known = docs_blocks.find_pages(root)
    for name, given, allowed in (
        ("pages", [name.split(":")[0] for name in pages], known),
        ("marks", marks, docs_blocks.MARKS[:2]),
    ):
        if unknown := set(given) - {*allowed}:
            raise ValueError(
                f"`{name}` must be of {', '.join(allowed)}. Received: "
                f"{', '.join(sorted(unknown))}"
            )
    docs_blocks.copy_project(folder, root)
    failed = []
    for page in known:
        for block in docs_blocks.find_blocks(docs_blocks.read_page(page, root)):
            where = f"{page}:{block.line}"
            if pages and not {page, where} & {*pages}:
                continue
            if block.kind in marks and not _passes(
                where, block, folder, seconds
            ):
                failed.append(where)
    return failed


def _passes(where, block, folder, seconds) -> bool:
    began = time.monotonic()
    status, output = docs_blocks.run_block(block, folder, seconds)
    took = time.monotonic() - began
    word = {0: "passed", None: "too slow"}.get(status, f"exit status {status}")
    print(f"{where:35} {block.kind:8} {took:8.1f} s  {word}", flush=True)
    if status != 0:
        print(output[-_TAIL:], flush=True)
    return status == 0


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {' '.join(argv[1:])}")
    if _LIST.value:
        print(table_of(count_blocks(docs_blocks.ROOT)))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(_FOLDER.value or scratch).resolve()
        try:
            failed = run_blocks(
                docs_blocks.ROOT,
                folder,
                _PAGES.value,
                _MARKS.value,
                60 * _MINUTES.value,
            )
        except (ValueError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    print(f"failed: {', '.join(failed)}" if failed else "all passed")
    return int(bool(failed))


if __name__ == "__main__":
    app.run(main)
