"""Tests of `gpt_keras.cli.safety`."""

import pytest

from gpt_keras.cli import program
from gpt_keras.cli import safety
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.watermark import Watermark


def policy(*arguments, **limits):
    return safety.policy(
        program.parse(safety.define_flags, *arguments), **limits
    )


def test_without_flags_there_are_the_limits_alone():
    assert policy() == Policy()
    assert policy(max_new_tokens=3) == Policy(max_new_tokens=3)


def test_flags_become_a_policy(tmp_path):
    (tmp_path / "banned").write_text("a b\n\n猫\r\n", encoding="utf-8")
    (tmp_path / "refuse").write_text("\ufeffword\n", encoding="utf-8")
    (tmp_path / "key").write_text("7\n")
    made = policy(
        f"--banned_file={tmp_path / 'banned'}",
        f"--refuse_file={tmp_path / 'refuse'}",
        "--refusal_text=不行",
        "--redact=email,key",
        "--repetition_guard=4",
        f"--watermark_key_file={tmp_path / 'key'}",
        "--watermark_strength=3",
        "--watermark_share=0.5",
        "--prompt_lookup=6",
    )
    assert made == Policy(
        banned=("a b", "猫"),
        refuse=("word",),
        refusal_text="不行",
        redact=("email", "key"),
        repetition_guard=4,
        watermark=Watermark(key=7, strength=3.0, share=0.5),
        prompt_lookup=6,
    )


@pytest.mark.parametrize(
    ("flag", "match"),
    [
        ("--redact=names", "names"),
        ("--repetition_guard=1", "`repetition_guard` must be"),
    ],
)
def test_broken_rules_are_named(flag, match):
    with pytest.raises(ValueError, match=match):
        policy(flag)


def test_a_missing_file_is_named():
    with pytest.raises(OSError, match="nowhere"):
        policy("--banned_file=nowhere")
