"""Tests of the documentation's parser: blocks, marks, links and anchors."""

import pytest

from tools.docs_blocks import Block
from tools.docs_blocks import copy_project
from tools.docs_blocks import find_anchors
from tools.docs_blocks import find_blocks
from tools.docs_blocks import find_links
from tools.docs_blocks import find_translations

PAGE = """\
# A page

<!-- run -->
```bash
echo one
echo two
```

```python
print(1)
```
"""


def test_blocks_have_their_place_mark_language_and_code():
    first, second = find_blocks(PAGE)
    assert first == Block(4, "<!-- run -->", "bash", "echo one\necho two\n")
    assert second == Block(9, "", "python", "print(1)\n")
    assert (first.kind, second.kind) == ("run", None)
    assert find_blocks("```bash\n```\n")[0].kind is None


@pytest.mark.parametrize(
    ("mark", "kind"),
    [
        ("<!-- run -->", "run"),
        ("<!-- slow: minutes -->", "slow"),
        ("<!-- not run: needs a server -->", "not run"),
        ("<!-- slow -->", None),  # how slow?
        ("<!-- not run -->", None),  # why not?
        ("run", None),
        ("", None),
    ],
)
def test_marks_say_what_is_run_and_why_not(mark, kind):
    assert Block(1, mark, "bash", "").kind == kind


def test_a_block_without_an_end_is_named():
    with pytest.raises(ValueError, match="Received: line 2"):
        find_blocks("text\n```bash\necho\n")


def test_links_are_those_outside_of_code():
    text = "[a](one.md) ![b](two.png#x)\n```\n[c](three)\n```\n`[d](four)`\n"
    assert find_links(text) == ["one.md", "two.png#x"]


def test_anchors_are_those_of_github():
    text = (
        "# Bad input\n## `fit`, and more!\n### [A link](to.md)\n"
        "## Bad input\n## 工作原理：五步\n```\n# no heading\n```\n"
        '<a id="here"></a>\n'
    )
    assert find_anchors(text) == {
        "bad-input",
        "fit-and-more",
        "a-link",
        "bad-input-1",
        "工作原理五步",
        "here",
    }


def test_a_copy_has_no_runs_and_no_versions(tmp_path):
    root, copy = tmp_path / "root", tmp_path / "copy"
    for name in ("docs/zh-CN", "saved_models/mine/1", "runs/mine", ".git"):
        (root / name).mkdir(parents=True)
        (root / name / "file").write_text("")
    for name in ("README.md", "docs/a.md", "docs/zh-CN/a.md", "docs/b.md"):
        (root / name).write_text("")
    (root / "saved_models/README.md").write_text("")
    (root / "requirements.txt").write_text("")
    copy_project(copy, root)
    files = {
        path.relative_to(copy).as_posix()
        for path in copy.rglob("*")
        if path.is_file()
    }
    assert files == {
        ".venv/bin/python",
        ".venv/requirements.txt",
        "README.md",
        "docs/a.md",
        "docs/b.md",
        "docs/zh-CN/a.md",
        "docs/zh-CN/file",
        "requirements.txt",
        "saved_models/README.md",
    }
    assert find_translations(copy) == {"docs/a.md": "docs/zh-CN/a.md"}
