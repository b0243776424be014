"""Tests of `gpt_keras.evaluation.generation_suites`."""

from gpt_keras.config_rules import METRICS
from gpt_keras.evaluation.generation_suites import GENERATION_SUITES
from gpt_keras.evaluation.generation_suites import suite_of
from gpt_keras.evaluation.suites import SUITES
from gpt_keras.text.template import find_template


def test_each_has_known_metrics_a_template_and_a_field_of_it():
    for name, suite in GENERATION_SUITES.items():
        template = find_template(suite.template)
        assert suite_of(suite.template) == name
        assert set(suite.metrics) <= set(METRICS)
        assert bool(suite.field) == bool(suite.baseline)
        assert suite.field in (*template.fields, "")
    assert not GENERATION_SUITES.keys() & SUITES.keys()


def test_other_templates_are_pairs():
    assert suite_of("translate:zh-en") == "translate"
    assert suite_of("chat") == "pair"
