"""Tests of `gpt_keras.cli.measure_watermark`."""

import re
import types

import pytest

from gpt_keras.cli import measure_watermark
from gpt_keras.cli import program
from gpt_keras.generation.watermark import Watermark

LINE = re.compile(
    r"(.*): (\d+) of (\d+) texts at z >= (\S+) \((.*)%\), "
    r"mean z-score (\S+), mean tokens (\d+)"
)


def _measure(model_dir, capsys, *arguments):
    """Returns what is printed, by the kind of text."""
    flags = [f"--model_dir={model_dir}", "--key=5", *arguments]
    measure_watermark.main(
        program.parse(measure_watermark.define_flags, *flags)
    )
    lines = capsys.readouterr().out.splitlines()
    found = [LINE.fullmatch(line).groups() for line in lines]
    return {kind: tuple(map(float, values)) for kind, *values in found}


class _Echo:
    """Notes its calls and writes what the tokenizer can't merge."""

    def __init__(self, model, tokenizer, policy):
        self.watermark = policy.watermark
        self.calls = _Echo.calls

    def generate(self, prompts, **settings):
        self.calls.append((self.watermark, prompts, settings))
        return [
            types.SimpleNamespace(text="".join(map(chr, range(40, 60))))
            for _ in prompts
        ]


@pytest.fixture
def echo(monkeypatch):
    monkeypatch.setattr(measure_watermark, "TextGenerator", _Echo)
    monkeypatch.setattr(_Echo, "calls", [], raising=False)
    return _Echo


def test_the_watermark_is_found_where_it_is(model_dir, capsys):
    found = _measure(
        model_dir,
        capsys,
        "--texts=10",
        "--tokens=200",
        "--temperature=3",
        "--strength=8",
    )
    assert list(found) == ["with the watermark", "without"]
    hits, texts, threshold, percent, z_score, tokens = found[
        "with the watermark"
    ]
    assert (texts, threshold, percent) == (10, 4, 10 * hits)
    assert hits >= 6 and z_score > 4 and 40 < tokens < 240
    hits, texts, _, percent, z_score, _ = found["without"]
    assert (hits, texts, percent) == (0, 10, 0)
    assert abs(z_score) < 2


def test_texts_come_in_batches_with_a_seed_each(model_dir, capsys, echo):
    found = _measure(
        model_dir,
        capsys,
        "--texts=120",
        "--tokens=7",
        "--seed=1000",
        "--temperature=0.5",
        "--strength=3",
        "--share=0.5",
    )
    assert [values[1] for values in found.values()] == [120, 120]
    watermark = Watermark(key=5, strength=3.0, share=0.5)
    assert [call[0] for call in echo.calls] == [watermark] * 3 + [None] * 3
    for start in (0, 3):
        calls = echo.calls[start : start + 3]
        assert [len(prompts) for _, prompts, _ in calls] == [50, 50, 20]
        assert {text for call in calls for text in call[1]} == {""}
        seeds = [seed for call in calls for seed in call[2].pop("seed")]
        assert seeds == list(range(1000, 1120))
        assert calls[0][2] == {
            "max_new_tokens": 7,
            "temperature": 0.5,
            "overflow": "roll",
        }


def test_peoples_text_is_cut_into_pieces(model_dir, tmp_path, capsys, echo):
    text = "".join(map(chr, range(32, 127))) * 10
    (tmp_path / "a.txt").write_text(text)
    (tmp_path / "b.txt").write_text("one")  # shorter than a piece
    flags = ["--tokens=50", f"--text={tmp_path}/*.txt"]
    for texts, expected in ((3, 3), (1000, 950 // 50)):
        found = _measure(model_dir, capsys, f"--texts={texts}", *flags)
        hits, count, threshold, _, z_score, tokens = found["of people"]
        assert (hits, count, threshold, tokens) == (0, expected, 4, 49)
        assert z_score < 4


def test_text_that_is_too_short_is_told(model_dir, tmp_path, capsys, echo):
    (tmp_path / "text.txt").write_text("one")
    arguments = [f"--model_dir={model_dir}", "--key=1", "--texts=1"]
    arguments.append(f"--text={tmp_path}/text.txt")
    measure_watermark.main(
        program.parse(measure_watermark.define_flags, *arguments)
    )
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "of people: no text is long enough"


def test_needs_a_key(model_dir):
    values = program.parse(
        measure_watermark.define_flags, f"--model_dir={model_dir}"
    )
    with pytest.raises(ValueError, match="`key`"):
        measure_watermark.main(values)
