"""Tests of the policy's rules."""

import pytest

from gpt_keras.generation.policy import Policy


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_prompt_bytes", 0),
        ("max_new_tokens", -1),
        ("repetition_guard", 1),
        ("repetition_guard", -1),
        ("repetition_guard", 1001),
        ("prompt_lookup", -1),
        ("prompt_lookup", 65),
        ("banned", ("",)),
        ("banned", ("a\x1fb",)),
        ("banned", "word"),
        ("banned", ["word"]),
        ("refuse", (3,)),
        ("redact", ("names",)),
    ],
)
def test_a_broken_rule_is_named_with_the_value(name, value):
    with pytest.raises(ValueError, match="Received: ") as error:
        Policy(**{name: value})
    assert name in str(error.value)


def test_the_default_imposes_nothing():
    policy = Policy()
    assert not policy.hides_tokens
    assert not any(
        (policy.banned, policy.refuse, policy.redact, policy.watermark)
    )
    assert policy.max_prompt_bytes is policy.max_new_tokens is None


def test_redaction_and_refusal_hide_tokens():
    assert Policy(redact=("email",)).hides_tokens
    assert Policy(refuse=("word",)).hides_tokens
    assert not Policy(banned=("word",), repetition_guard=3).hides_tokens
