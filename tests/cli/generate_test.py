"""Tests of `gpt_keras.cli.generate`."""

import pytest

from gpt_keras import progress
from gpt_keras.cli import generate
from gpt_keras.cli import program


def _generate(model_dir, *arguments):
    generate.main(
        program.parse(
            generate.define_flags, f"--model_dir={model_dir}", *arguments
        )
    )


def test_writes_on_from_each_prompt(model_dir, capsys):
    _generate(
        model_dir,
        "--prompt=one two",
        "--prompt=three",
        "--temperature=0",
        "--max_new_tokens=8",
    )
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("one two three 四五")
    assert second.startswith("three 四五 one")


def test_the_seed_decides(model_dir, capsys):
    flags = ["--prompt=one"] * 3 + ["--temperature=3", "--max_new_tokens=9"]
    _generate(model_dir, *flags, "--seed=1")
    first = capsys.readouterr().out
    _generate(model_dir, *flags, "--seed=2")
    second = capsys.readouterr().out
    # One seed gives equal prompts equal texts.
    assert first == first[: len(first) // 3] * 3 != second


def test_says_when_the_model_is_full(model_dir, capsys):
    _generate(model_dir, "--prompt=one", "--temperature=0")
    assert "max_length" in capsys.readouterr().err
    _generate(model_dir, "--prompt=one", "--temperature=0", "--overflow=roll")
    printed = capsys.readouterr()
    assert "max_length" not in printed.err and len(printed.out) > 150


def test_a_policy_holds_as_in_an_export(model_dir, tmp_path, capsys):
    (tmp_path / "banned").write_text("two", encoding="utf-8")
    flags = ["--prompt=one", "--temperature=0", "--max_new_tokens=20"]
    _generate(model_dir, *flags)
    assert "two" in capsys.readouterr().out
    _generate(model_dir, *flags, f"--banned_file={tmp_path / 'banned'}")
    assert "two" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "argument", ["--temperature=-1", "--top_p=0", "--overflow=burst"]
)
def test_bad_settings_are_named(model_dir, argument):
    name = argument[2:].split("=")[0]
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        _generate(model_dir, argument)


def test_many_prompts_are_written_some_at_a_time(
    model_dir, monkeypatch, capsys
):
    prompts = ["one", "two three", "", "四五", "three"]
    flags = [f"--prompt={prompt}" for prompt in prompts]
    flags += ["--temperature=0", "--max_new_tokens=4"]
    _generate(model_dir, *flags)
    together = capsys.readouterr().out
    monkeypatch.setattr(generate, "_ROWS", 2)
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    _generate(model_dir, *flags)
    printed = capsys.readouterr()
    assert printed.out == together
    lines = printed.err.splitlines()
    assert [x.split(",")[0] for x in lines] == [
        "Generating: 2 of 5 prompts",
        "Generating: 4 of 5 prompts",
        "Generating: 5 of 5 prompts",
        "Generating: 5 of 5 prompts",
    ]
    assert all(line.endswith(" tok/s") for line in lines)


def test_beams_find_the_likeliest(model_dir, capsys):
    flags = ["--prompt=one two", "--prompt=three", "--max_new_tokens=8"]
    _generate(model_dir, *flags, "--beams=3")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("one two three 四五")
    assert second.startswith("three 四五 one")
    _generate(model_dir, *flags, "--beams=3", "--num_return=2")
    lines = capsys.readouterr().out.splitlines()
    scores = [float(line.split("  ")[0]) for line in lines]
    assert lines[0].endswith(f"  {first}") and lines[2].endswith(f"  {second}")
    assert scores[0] > scores[1] and scores[2] > scores[3]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--beams=2", "--temperature=0"], "draws nothing.*'temperature'"),
        (["--beams=2", "--num_return=3"], "`num_return` must be"),
        (["--beams=-1"], "`beams` must be an integer from 1"),
        (["--num_return=2"], r"need `beams`. Received: .'num_return'"),
        (["--length_penalty=1"], "need `beams`"),
    ],
)
def test_what_does_not_go_with_beams_is_refused(model_dir, arguments, words):
    with pytest.raises(ValueError, match=words):
        _generate(model_dir, *arguments)
