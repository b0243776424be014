"""Tests of `gpt_keras.cli.generation_evaluation`, and of scores in training."""

import json
import random

import pytest

from gpt_keras.cli import evaluate
from gpt_keras.cli import program
from gpt_keras.cli import train
from gpt_keras.evaluation.translation_scores import bleu
from gpt_keras.training.run_log import read_metrics

WORDS = {"a": "ein", "dog": "Hund", "man": "Mann", "sees": "sieht"}


def _pairs(path, count, seed):
    rng = random.Random(seed)
    lines = []
    for _ in range(count):
        words = rng.choices(list(WORDS), k=rng.randint(1, 3))
        target = " ".join(WORDS[word] for word in words)
        lines.append(json.dumps({"en": " ".join(words), "de": target}))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(name="run", scope="module")
def _run(tmp_path_factory):
    """A folder with pairs to validate on and a run that scored them."""
    folder = tmp_path_factory.mktemp("translation")
    held_out = _pairs(folder / "held_out.jsonl", 5, 1)
    arguments = [
        f"--pairs={_pairs(folder / 'train.jsonl', 60, 0)}",
        f"--validation_files={held_out}",
        "--template=translate:en-de,translate:de-en",
        f"--model_dir={folder}/run",
        "--tokenizer=character",
        "--batching=best_fit",
        "--d_model=16",
        "--num_heads=2",
        "--dff=32",
        "--num_layers=1",
        "--max_length=48",
        "--batch_size=4",
        "--steps=2",
        "--warmup_steps=1",
        "--metrics_every=2",
        "--metrics_examples=4",
        "--metrics_tokens=8",
        "--metrics=chrf,bleu",
        "--keep_best_by=chrf",
        "--sample_every=0",
        "--validate_every=0",
        "--peak_teraflops=1",
    ]
    assert train.main(program.parse(train.define_flags, *arguments)) == 0
    return folder


def _main(folder, *arguments):
    flags = [f"--model_dir={folder}/run", *arguments]
    return evaluate.main(program.parse(evaluate.define_flags, *flags))


def _facts(folder, *arguments):
    file = folder / "facts.json"
    assert _main(folder, f"--json={file}", *arguments) == 0
    return json.loads(file.read_text(encoding="utf-8"))


def test_the_scores_are_those_of_the_training_log(run, tmp_path, capsys):
    (logged,) = [x for x in read_metrics(run / "run") if "chrf" in x]
    page = tmp_path / "page.html"
    facts = _facts(
        run,
        "--suite=translate",
        f"--pairs={run}/held_out.jsonl",
        "--max_examples=4",
        "--max_new_tokens=8",
        "--temperature=0",  # as in training
        "--bootstrap=10",
        f"--html={page}",
    )
    assert logged["step"] == 2 and logged["scored_examples"] == 8
    for name in ("bleu", "chrf"):
        score = facts["scores"][name]["value"]
        assert logged[f"{name}/translate:en-de"] == score
        both = score + logged[f"{name}/translate:de-en"]
        assert logged[name] == pytest.approx(both / 2)
    # Of the pairs as they are, and the copy of their source beside it.
    texts = facts["texts"]
    references = [x["references"] for x in texts]
    assert facts["examples"] == len(texts) == 4
    first = json.loads((run / "held_out.jsonl").read_text().split("\n")[0])
    assert texts[0]["source"] == first["en"]
    assert references[0] == [first["de"]]
    copies = bleu([x["source"] for x in texts], references, language="de")
    assert facts["baseline"]["bleu"]["value"] == copies.value
    printed = capsys.readouterr().out
    assert "copy of the source" in printed and "tok:13a" in printed
    assert texts[0]["source"] in page.read_text(encoding="utf-8")
    assert facts["language"] == "de" and facts["model"]["weights_sha256"]
    assert [x.name for x in run.glob("*.partial")] == []


def test_held_out_pairs_are_those_of_the_training(run):
    options = ["--suite=translate", "--max_new_tokens=8", "--bootstrap=0"]
    named = _facts(run, f"--pairs={run}/held_out.jsonl", *options)
    found = _facts(run, "--held_out", *options)
    assert found["texts"] == named["texts"] and len(found["texts"]) == 5
    assert found["settings"]["beams"] == 4  # as it is served
    other = _facts(run, "--held_out", "--template=translate:de-en", *options)
    assert [x["source"] for x in other["texts"]] == [
        *(x["references"][0] for x in found["texts"])
    ]
    with pytest.raises(ValueError, match="without `pairs`"):
        _main(run, *options, "--held_out", "--pairs=x")


def test_training_leaves_a_page_and_the_best_weights(run):
    page = (run / "run" / "examples.html").read_text(encoding="utf-8")
    assert "translate:de-en" in page and "chrf" in page
    names = {x.name for x in (run / "run" / "checkpoints" / "best").iterdir()}
    assert "ckpt-2.index" in names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--suite=translate",), "`pairs`, `tfds` or `held_out` must be"),
        (("--suite=text", "--pairs=x"), "`pairs` is not for this suite"),
        (("--suite=text", "--seed=3"), "`seed` is not for this suite"),
        (
            ("--suite=pair", "--pairs=x", "--prompt_share=0"),
            "`prompt_share` is not for this suite",
        ),
        (("--suite=answer", "--text=x"), "`text` is not for this suite"),
        (
            ("--suite=answer", "--pairs=x", "--template=pair"),
            "one of the suite 'answer'",
        ),
        (
            ("--suite=translate", "--pairs=x", "--metrics=meteor"),
            "Metrics must be of",
        ),
        (("--suite=translate", "--pairs=missing.jsonl"), "missing.jsonl"),
    ],
)
def test_mistakes_are_named_before_the_model_is_read(
    tmp_path, arguments, message
):
    with pytest.raises((ValueError, OSError), match=message):
        _main(tmp_path, *arguments)


def test_a_template_that_was_not_trained_names_its_token(run):
    with pytest.raises(ValueError, match="summarise"):
        _main(run, "--suite=summarise", "--pairs=synthetic:first_sentence")
