"""Tests of the memorisation check: planted copies are counted, exactly."""

import generation_testing
import numpy as np
import pytest
from generation_testing import END_OF_TEXT
from generation_testing import VOCAB_SIZE

from gpt_keras.data.token_store import TokenSplit
from gpt_keras.evaluation import continuations
from gpt_keras.evaluation.continuations import ContinuationTask
from gpt_keras.evaluation.continuations import Prompt
from gpt_keras.evaluation.continuations import evaluate_continuations
from gpt_keras.evaluation.memorisation import memorisation_task

SIZE = 4  # tokens of a span; the model reads 16


class _Tokenizer(generation_testing.FakeTokenizer):
    kind, fingerprint = "fake", "f"


@pytest.fixture(autouse=True, scope="module")
def _traced_once():
    """Lets all tests of the one model share its graph."""
    with pytest.MonkeyPatch.context() as patch:
        writer = continuations._Writer(generation_testing.gpt(), _Tokenizer())
        patch.setattr(continuations, "_Writer", lambda *_: writer)
        yield


def _written(prompts):
    """Returns what the model writes behind prompts."""
    task = ContinuationTask({}, [], {}, prompts, lambda texts: {"": texts})
    return _evaluate(task).figures[""]


def _evaluate(task, **arguments):
    return evaluate_continuations(
        generation_testing.gpt(), _Tokenizer(), task, **arguments
    )


def _split(documents):
    ids = [x for document in documents for x in (*document, END_OF_TEXT)]
    return TokenSplit.from_array(ids, vocab_size=VOCAB_SIZE)


def _task(training, validation=None, **settings):
    settings = {"span_tokens": SIZE, "items": 40, "max_length": 16} | settings
    return memorisation_task(
        training, validation, end_of_text_id=END_OF_TEXT, **settings
    )


@pytest.fixture(name="by_heart", scope="module")
def _by_heart():
    """Documents that the model goes on with, and others that it doesn't."""
    random = np.random.default_rng(1)
    prefixes = [tuple(x) for x in random.integers(0, 10, (40, SIZE)).tolist()]
    texts = _written([Prompt(prefix, SIZE) for prefix in prefixes])
    pairs = list(zip(prefixes, texts, strict=True))
    whole = [(*a, *b) for a, b in pairs if len(b) == SIZE]
    changed = [(*x[:-1], (x[-1] + 1) % 10) for x in whole]
    assert len(whole) > 10
    return whole, changed


def test_what_the_model_has_by_heart_is_continued(by_heart):
    whole, changed = by_heart
    figures = _evaluate(_task(_split(whole), _split(changed))).figures
    assert figures["training_continued"] == 1
    assert figures["training_agreement"] == 1
    assert figures["validation_continued"] == 0
    assert figures["validation_agreement"] == 1 - 1 / SIZE  # all but the last
    half = _split(whole[::2] + changed[1::2])
    figures = _evaluate(_task(half, items=1000)).figures
    share = len(whole[::2]) / len(whole)
    assert figures["training_continued"] == pytest.approx(share)


def test_the_share_of_copied_spans_is_that_of_the_planted_texts():
    texts = np.random.default_rng(4).integers(0, 10, (20, 15)).tolist()
    texts += [texts[0][:7], ()]  # too short to have a span
    for planted in (0, 7, 20):
        split = _split([*texts[:planted], [1] * 16])
        task = _task(split, span_tokens=8, items=22)
        left = [()] * (len(task.prompts) - 22)
        figures = task.figures([*texts, *left])
        assert figures["generated_copied"] == planted / 20


def test_the_model_s_own_texts_are_copies_where_they_are_planted():
    anything = _split([range(9)])
    texts = _written(_task(anything, seed=3).prompts[:40])
    planted = _task(_split([*texts, range(9)]), seed=3)
    assert _evaluate(planted).figures["generated_copied"] == 1
    other = _task(_split([*texts, range(9)]), seed=4)
    assert _evaluate(other).figures["generated_copied"] < 0.9


def test_validation_that_stands_in_training_is_told():
    documents = np.random.default_rng(2).integers(0, 10, (20, 8)).tolist()
    task = _task(_split(documents), _split(documents[:5]))
    assert task.figures([()] * len(task.prompts))["validation_copied"] == 1
    others = [[1] * 8]
    task = _task(_split(documents), _split(others))
    assert task.figures([()] * len(task.prompts))["validation_copied"] == 0


def test_windows_lie_within_documents_and_are_different():
    documents = np.random.default_rng(2).integers(0, 10, (30, 9)).tolist()
    task = _task(_split(documents), items=1000)
    prompts = [x.token_ids for x in task.prompts[1000:]]
    expected = [tuple(d[i : i + SIZE]) for d in documents for i in (0, 1)]
    assert sorted(prompts) == sorted(expected)
    assert task.counts["training_windows"] == 60


def test_without_validation_there_are_no_figures_of_it():
    task = _task(_split([range(9)]))
    figures = task.figures([()] * len(task.prompts))
    assert figures == {
        "generated_copied": None,  # no text is long enough
        "validation_copied": None,
        "training_continued": 0,
        "validation_continued": None,
        "training_agreement": 0,
        "validation_agreement": None,
    }


def test_a_stopped_check_goes_on_to_the_same_figures(tmp_path, by_heart):
    def stop(done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    task = _task(_split(by_heart[0]), _split(by_heart[1]))
    whole = _evaluate(task)
    arguments = {"partial_file": tmp_path / "p", "tokens_per_batch": 60}
    with pytest.raises(KeyboardInterrupt):
        _evaluate(task, **arguments, progress=stop)
    resumed = _evaluate(task, **arguments)
    assert 0 < resumed.resumed_passages < len(task.prompts)
    assert resumed.figures == whole.figures
    with pytest.raises(ValueError, match="another evaluation.*the prompts"):
        _evaluate(
            _task(_split(by_heart[0]), _split(by_heart[1]), seed=1), **arguments
        )


def test_a_damaged_partial_file_is_named(tmp_path):
    task = _task(_split([range(9)]), items=2)
    _evaluate(task, partial_file=tmp_path / "p")
    content = (tmp_path / "p").read_bytes().splitlines()
    (tmp_path / "p").write_bytes(content[0] + b'\n[[0, "x"]]\n')
    with pytest.raises(ValueError, match="Line 2 is damaged"):
        _evaluate(task, partial_file=tmp_path / "p")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"span_tokens": 9}, "from 1 to 8, half .*span_tokens=9"),
        ({"span_tokens": 0}, "span_tokens=0"),
        ({"items": 0}, "`items` must be 1 or more.*items=0"),
        ({"seed": -1}, "`seed` must be 0 or more.*seed=-1"),
        ({"span_tokens": 5}, "10 tokens of one document.*5 and 10 tokens"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        _task(_split([range(9)]), **settings)


def test_batches_without_tokens_are_refused():
    with pytest.raises(ValueError, match="tokens_per_batch=0"):
        _evaluate(_task(_split([range(9)])), tokens_per_batch=0)
