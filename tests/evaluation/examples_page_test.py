"""Tests of `gpt_keras.evaluation.examples_page`: its parts and languages."""

from gpt_keras.evaluation.examples_page import to_html
from gpt_keras.evaluation.generation_task import GenerationExample
from gpt_keras.evaluation.generation_task import GenerationTask
from gpt_keras.evaluation.generation_task import run_generation_task


def test_each_part_has_a_heading_and_its_language():
    parts = []
    for name, language in (("first", "en"), ("second", "zh")):
        example = GenerationExample("p", ("r",), {"source": name})
        task = GenerationTask([example], ("bleu",), language)
        result = run_generation_task(task, lambda prompts: ["o"])
        parts.append((name, task, result))
    page = to_html("Title", parts)
    assert page.index("<h2>first</h2>") < page.index("<h2>second</h2>")
    assert page.count('<td lang="zh">') == 2
    assert "tok:zh" in page and "tok:13a" in page
    assert page.startswith("<!DOCTYPE html>")
