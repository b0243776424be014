"""Tests of `gpt_keras.evaluation.generation_report`, and of its page."""

import html.parser
import json

import pytest

from gpt_keras.evaluation import generation_report
from gpt_keras.evaluation.examples_page import to_html
from gpt_keras.evaluation.generation_task import GenerationExample
from gpt_keras.evaluation.generation_task import GenerationTask
from gpt_keras.evaluation.generation_task import run_generation_task

EVIL = "<script>alert('1')</script> & | ` \n\"é\" 你好"


@pytest.fixture(name="made", scope="module")
def _made():
    examples = [
        GenerationExample(EVIL, (EVIL, "x"), {"source": EVIL}, "x", 1),
        GenerationExample("b", ("c",), {"source": "b"}, "c", 1),
    ]
    task = GenerationTask(
        examples, ("accuracy", "rouge1"), num_samples=20, baseline_name="copy"
    )
    return task, run_generation_task(task, lambda prompts: prompts)


class Page(html.parser.HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.texts, self.attributes = [], [], []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)


def test_the_table_has_scores_intervals_baseline_and_signatures(made):
    text = generation_report.to_text("translate", *made)
    rows = {x.split()[0]: x.split() for x in text.splitlines() if x.strip()}
    assert rows["translate"][-1] == "copy"
    assert rows["accuracy"][1:] == ["50.00", "0.00", "to", "100.00", "100.00"]
    assert "rouge1|tok:rouge|stem:no|refs:best|version:" in text
    assert "2 examples" in text and "recall" in rows


def test_json_has_texts_and_scores(made):
    task, result = made
    facts = generation_report.to_json("pair", task, result, {"model": {}})
    facts = json.loads(json.dumps(facts, allow_nan=False))
    assert facts["texts"][0] == {
        "source": EVIL,
        "references": [EVIL, "x"],
        "output": EVIL,
    }
    assert facts["scores"]["accuracy"]["value"] == 50
    assert facts["baseline"]["accuracy"]["value"] == 100
    assert facts["baseline_name"] == "copy" and facts["model"] == {}


def test_markdown_has_a_row_for_each_example_and_no_marks_of_texts(made):
    lines = generation_report.to_markdown(*made).splitlines()
    assert len(lines) == 4
    for line in lines[2:]:
        assert line.count("|") == 4 and "<" not in line and "`" not in line
    assert "你好" in lines[2]
    assert len(generation_report.to_markdown(*made, most=1).splitlines()) == 3


def test_the_page_is_escaped_and_needs_nothing_from_elsewhere(made):
    content = to_html(EVIL, [(EVIL, *made)])
    page = Page(content)
    assert not {"script", "link", "img", "iframe"} & {*page.tags}
    assert {name for name, _ in page.attributes} <= {
        "lang",
        "charset",
        "name",
        "content",
        "class",
    }
    assert "http" not in content and "url(" not in content
    assert "prefers-color-scheme: dark" in content
    assert page.tags.count("tr") == 1 + 2 + 1 + 2
    # As a title, heading, part, prompt, reference and output
    assert sum(EVIL in text for text in page.texts) >= 5
