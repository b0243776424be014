"""Tests of `gpt_keras.cli.evaluate`: from files to figures."""

import json
import os
import pathlib
import shutil
import signal
import sys

import limited_process
import pytest

from gpt_keras.cli import evaluate
from gpt_keras.cli import program
from gpt_keras.data.pipeline import validation_batches
from gpt_keras.data.token_store import TokenSplit
from gpt_keras.data.token_store import TokenStore
from gpt_keras.evaluation.evaluator import evaluate as evaluate_task
from gpt_keras.evaluation.passages import window_passages
from gpt_keras.evaluation.task import Task
from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.training.model_folder import load_model
from gpt_keras.training.run_log import read_metrics

ROOT = pathlib.Path(evaluate.__file__).parents[2]
TEXT = "one two three 四五 " * 40 + "two , three ( one ) \n = one = \n"
LAMBADA = '{"text": "one two three"}\n{"text": "one two three two"}\n'
HELLASWAG = json.dumps(
    {"ctx": "one two", "endings": ["three 四五", "one"], "label": 0}
)


@pytest.fixture(name="text")
def _text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def _main(model_dir, *arguments):
    flags = [f"--model_dir={model_dir}", *arguments]
    return evaluate.main(program.parse(evaluate.define_flags, *flags))


def _facts(model_dir, folder, *arguments):
    """Returns what the program writes."""
    assert _main(model_dir, f"--json={folder}/facts.json", *arguments) == 0
    return json.loads((folder / "facts.json").read_text(encoding="utf-8"))


def _loss_by_keras(model_dir, token_ids):
    model = load_model(model_dir)
    model.compile()
    batches = validation_batches(
        TokenSplit.from_array(token_ids, vocab_size=model.vocab_size),
        length=model.max_length,
        batch_size=4,
    )
    return model.evaluate(batches, verbose=0)


def test_prints_and_writes_the_figures_of_a_text(
    model_dir, tmp_path, text, capsys
):
    facts = _facts(model_dir, tmp_path, f"--text={text}", "--batch_tokens=100")
    printed = capsys.readouterr().out
    assert f"{facts['figures']['loss']:.4f}" in printed
    assert facts["model"]["weights_sha256"] in printed
    assert facts["protocol"][0] in printed
    assert facts["suite"] == "text" and facts["published"] is None
    assert facts["counts"]["bytes"] == len(TEXT.encode())
    assert facts["counts"]["words"] == len(TEXT.split())
    assert facts["settings"]["stride"] == 16
    assert facts["source"]["files"] == {"text.txt": len(TEXT.encode())}
    assert facts["figures"]["token_perplexity"] < 20  # of 270 tokens
    assert {path.name for path in tmp_path.iterdir()} == {
        "facts.json",
        "text.txt",
    }


def test_without_overlap_the_loss_is_that_of_keras(model_dir, tmp_path, text):
    tokenizer = load_tokenizer(model_dir)
    expected = _loss_by_keras(
        model_dir, [tokenizer.end_of_text_id, *tokenizer.encode(TEXT)]
    )
    facts = _facts(model_dir, tmp_path, f"--text={text}", "--stride=32")
    assert facts["figures"]["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_loss_is_that_of_the_training_log(model_dir):
    split = TokenStore(model_dir / "tokens").split("validation")
    model, tokenizer = load_model(model_dir), load_tokenizer(model_dir)
    ids = split.read([0], split.num_tokens)[0]
    windows = list(window_passages(ids, 32, 32, "validation"))
    task = Task(
        {}, [], {}, windows, lambda scores: {"nats": -sum(s[0] for s in scores)}
    )
    nats = evaluate_task(model, tokenizer, task).figures["nats"]
    logged = [x["val_loss"] for x in read_metrics(model_dir) if "val_loss" in x]
    assert nats / (len(ids) - 1) == pytest.approx(logged[-1], rel=1e-5)


def test_a_suite_sets_the_protocol_and_flags_override_it(
    model_dir, tmp_path, text, capsys
):
    facts = _facts(model_dir, tmp_path, f"--text={text}", "--suite=wikitext2")
    assert facts["settings"] == {
        "max_length": 32,
        "stride": 16,
        "detokenizer": "wikitext",
        "counts_line_ends": True,
    }
    assert facts["counts"]["words"] == len(TEXT.split()) + 2
    assert facts["published"]["figures"]["word_perplexity"]["117M"] == 29.41
    assert "GPT-2 1542M" in capsys.readouterr().out
    as_it_is = _facts(
        model_dir,
        tmp_path,
        f"--text={text}",
        "--suite=wikitext2",
        "--detokenizer=none",
        "--max_length=20",
        "--stride=7",
    )
    assert as_it_is["settings"]["detokenizer"] == "none"
    assert as_it_is["settings"]["stride"] == 7
    assert as_it_is["counts"]["tokens"] > facts["counts"]["tokens"]
    assert as_it_is["counts"]["words"] == facts["counts"]["words"]


def test_last_words_and_choices_from_files(model_dir, tmp_path):
    (tmp_path / "words.jsonl").write_text(LAMBADA, encoding="utf-8")
    facts = _facts(
        model_dir, tmp_path, "--suite=lambada", f"--text={tmp_path}/words.jsonl"
    )
    assert facts["counts"]["items"] == 2
    assert facts["figures"]["accuracy"] == 0.5  # 四五 follows `three`
    (tmp_path / "choices.jsonl").write_text(HELLASWAG, encoding="utf-8")
    facts = _facts(
        model_dir,
        tmp_path,
        "--suite=hellaswag",
        f"--text={tmp_path}/choices.jsonl",
    )
    assert facts["figures"]["accuracy_per_byte"] == 1
    assert facts["figures"]["chance_accuracy"] == 0.5


KILLED = """
import os, signal, sys
from gpt_keras.evaluation.partial_results import PartialResults
whole, left = PartialResults.append, [3]

def append(self, scores):
    whole(self, scores)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)

PartialResults.append = append
from gpt_keras.cli import evaluate
evaluate.run()
"""


def test_a_killed_evaluation_ends_with_the_same_figures(
    model_dir, tmp_path, text
):
    arguments = [
        f"--model_dir={model_dir}",
        f"--text={text}",
        "--batch_tokens=100",
        f"--json={tmp_path}/killed.json",
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }
    program_of = {"killed": ["-c", KILLED], "again": ["-m", "tools.evaluate"]}
    done = {
        name: limited_process.run(
            [sys.executable, *start, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        for name, start in program_of.items()
    }
    assert done["killed"].returncode == -signal.SIGKILL, done["killed"].stderr
    assert done["again"].returncode == 0, done["again"].stderr
    resumed = json.loads((tmp_path / "killed.json").read_text())
    whole = _facts(model_dir, tmp_path, f"--text={text}", "--batch_tokens=100")
    assert resumed["resumed_passages"] == 9
    assert resumed["figures"] == whole["figures"]
    assert not (tmp_path / "killed.json.partial").exists()


def test_another_protocol_does_not_go_on(
    model_dir, tmp_path, text, monkeypatch, capsys
):
    def stopped(*arguments, progress, **more):
        def stop(read, total):
            if read:
                raise KeyboardInterrupt

        return evaluate_task(*arguments, progress=stop, **more)

    arguments = [f"--text={text}", f"--resume_dir={tmp_path}/kept"]
    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "evaluate", stopped)
        assert _main(model_dir, *arguments) == 130
        assert "the same command goes on" in capsys.readouterr().err
        assert _main(model_dir, f"--text={text}") == 130
        assert "nothing is kept" in capsys.readouterr().err
    assert (tmp_path / "kept/text.partial").exists()
    with pytest.raises(ValueError, match="another evaluation.*the settings"):
        _main(model_dir, *arguments, "--stride=5")
    assert _main(model_dir, *arguments) == 0
    assert not (tmp_path / "kept/text.partial").exists()


def test_missing_files_and_models_are_named(model_dir, tmp_path, text):
    with pytest.raises(FileNotFoundError, match="No files match"):
        _main(model_dir, f"--text={tmp_path}/*.nothing")
    with pytest.raises(FileNotFoundError, match="no model folder"):
        _main(tmp_path, f"--text={text}")


def test_another_vocabulary_is_refused(model_dir, tmp_path, text):
    other = tmp_path / "other"
    shutil.copytree(model_dir, other)
    CharacterTokenizer("abc").save(other)
    with pytest.raises(ValueError, match="5 tokens and vocab_size=270"):
        _main(other, f"--text={text}")


def test_batches_without_tokens_are_refused(model_dir, text):
    with pytest.raises(ValueError, match="Received: tokens_per_batch=0"):
        _main(model_dir, f"--text={text}", "--batch_tokens=0")


def test_the_memorisation_of_a_run_is_measured(model_dir, tmp_path, capsys):
    arguments = ["--suite=memorisation", "--items=5"]
    facts = _facts(model_dir, tmp_path, *arguments)
    assert facts["settings"]["span_tokens"] == 16  # half of what it reads
    assert facts["figures"]["training_continued"] > 0.5  # one line, 300 times
    assert facts["source"]["tokens"].keys() == {"tokens"}
    assert "training_continued" in capsys.readouterr().out
    given = _facts(
        model_dir, tmp_path, *arguments, f"--tokens={model_dir}/tokens"
    )
    assert given["figures"] == facts["figures"]


def test_what_is_not_of_the_suite_is_refused(model_dir, tmp_path, text):
    with pytest.raises(ValueError, match="`text` is for other suites"):
        _main(model_dir, "--suite=memorisation", f"--text={text}")
    with pytest.raises(ValueError, match="`items` is for memorisation"):
        _main(model_dir, "--items=3", f"--text={text}")
    with pytest.raises(ValueError, match="what the model was trained on"):
        _main(tmp_path, "--suite=memorisation")
    other = tmp_path / "other"
    shutil.copytree(model_dir, other)
    CharacterTokenizer("abc").save(other)
    with pytest.raises(ValueError, match="vocab_size=270|model's tokenizer"):
        _main(other, "--suite=memorisation")
