"""What the project's own costs grow with: suites without peers."""

from tools.benchmark.suites import LIKE_GPT2
from tools.benchmark.suites import OURS
from tools.benchmark.suites import OURS_GPT2
from tools.benchmark.suites import VOCABULARY
from tools.benchmark.suites import Contender
from tools.benchmark.suites import Suite
from tools.benchmark.suites import Target

_GPT2 = dict(**OURS_GPT2, vocab_size=VOCABULARY, max_length=1024)
_SMALL = dict(d_model=128, num_heads=4, dff=512, **LIKE_GPT2)
_SMALL_VOCABULARY = 65
_LENGTHS = (64, 128, 256, 512, 1024)
_LAYERS = (2, 4, 8, 16)
_POSITIONS = (50, 250, 500, 1000)
_ROWS = 2
_TOKENS = 4096  # of a turn of training


def settings() -> Suite:
    """Returns the suite of first tokens of requests that are always new.

    Each turn is another length of the prompt, another number of rows, or
    another way to draw; see `programs/new_requests.py`.
    """
    options = {"model": _GPT2}
    return Suite(
        "settings",
        "first tokens",
        (
            Contender(OURS, "settings_ours", options),
            Contender("KerasHub", "settings_keras_hub", options),
        ),
        (
            Target(OURS, "KerasHub", 0.25, "new_shape_seconds"),
            Target(OURS, "", 0.0, "traces"),
        ),
        repeats=6,
    )


def cost() -> Suite:
    """Returns the suite of what a step and a token cost, by size.

    A contender's name is what its curve is called, and its size.
    Their processes live at once, with 16 GB together.
    """
    return Suite(
        "cost",
        "tokens",
        (
            *(_training("length", n, length=n) for n in _LENGTHS),
            *(_training("layers", n, num_layers=n) for n in _LAYERS),
            *(_writing("position, 0.9M,", n, _small()) for n in _POSITIONS),
            *(_writing("position, 124M,", n, _GPT2) for n in _POSITIONS),
        ),
        repeats=3,
    )


def _training(curve, size, length=128, num_layers=4):
    config = dict(
        **_SMALL, num_layers=num_layers, max_length=length, batch_size=_ROWS
    )
    options = dict(
        config=config,
        vocab_size=_SMALL_VOCABULARY,
        steps=_TOKENS // (_ROWS * length),
    )
    return Contender(f"{curve} {size}", "train_ours", options)


def _small():
    return dict(
        **_SMALL, num_layers=4, vocab_size=_SMALL_VOCABULARY, max_length=1024
    )


def _writing(curve, position, model):
    options = dict(
        model=model,
        rows=1,
        prompt_tokens=position,
        new_tokens=24,  # behind 1,000 there is no room for more
        after_first=True,
    )
    return Contender(f"{curve} {position}", "decode_ours", options)
