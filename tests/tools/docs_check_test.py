"""Tests of `tools.docs_check`: what is slow is run, and told how it went."""

import time

import pytest

from tools.docs_check import count_blocks
from tools.docs_check import run_blocks
from tools.docs_check import table_of

README = """\
<!-- run -->
```bash
echo made > file
```

<!-- slow: a moment -->
```bash
python -c 'print("slow " * 2)' > slow
```

<!-- not run: it would fail -->
```bash
exit 1
```
"""
OTHER = """\
<!-- slow: it goes on from the README -->
```python
print(open("slow").read())
```

<!-- slow: it fails -->
```bash
echo before
false
echo after
```

<!-- slow: it never ends -->
```bash
sleep 1000 & echo $! > pid; wait
```
"""


@pytest.fixture(name="root")
def _root(tmp_path):
    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    (root / "README.md").write_text(README)
    (root / "docs/other.md").write_text(OTHER)
    (root / "requirements.txt").write_text("")
    return root


def _run(root, tmp_path, pages=(), marks=("slow",)):
    return run_blocks(root, tmp_path / "copy", pages, marks, seconds=5)


def test_slow_blocks_run_one_after_the_other(root, tmp_path, capsys):
    failed = _run(root, tmp_path)
    assert failed == ["docs/other.md:7", "docs/other.md:14"]
    copy = tmp_path / "copy"
    assert (copy / "slow").read_text() == "slow slow \n"
    assert not (copy / "file").exists()  # that one is for the tests
    assert not (root / "slow").exists()
    printed = capsys.readouterr().out
    assert "before" in printed and "after" not in printed
    words = [x.split(" s  ")[1] for x in printed.splitlines() if " s  " in x]
    assert words == ["passed", "passed", "exit status 1", "too slow"]
    pid = (copy / "pid").read_text().strip()
    assert _has_ended(pid)  # what it had started is gone too


def _has_ended(pid, seconds=20):
    """Returns whether a process that was killed comes to its end."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with open(f"/proc/{pid}/stat") as file:
                state = file.read().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_pages_and_marks_are_chosen(root, tmp_path):
    assert _run(root, tmp_path, ["README.md:2"], ["run", "slow"]) == []
    assert (tmp_path / "copy/file").exists()
    assert not (tmp_path / "copy/slow").exists()


@pytest.mark.parametrize(
    ("pages", "marks", "message"),
    [
        (["docs/none.md"], ["slow"], "`pages` must be of .*docs/none.md"),
        ([], ["not run"], "`marks` must be of run, slow.*not run"),
    ],
)
def test_what_is_not_there_is_named(root, tmp_path, pages, marks, message):
    with pytest.raises(ValueError, match=message):
        _run(root, tmp_path, pages, marks)


def test_blocks_are_counted_by_mark(root):
    counts = count_blocks(root)
    assert counts["README.md"] == {"run": 1, "slow": 1, "not run": 1}
    assert counts["docs/other.md"] == {"slow": 3}
    assert table_of(counts).splitlines()[-1].split() == [
        "all",
        *("1", "4", "1", "0"),
    ]
