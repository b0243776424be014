"""Suites of writing: what limits it, and how fast it is beside the peers."""

import dataclasses

from tools.benchmark.suites import GPT2
from tools.benchmark.suites import OURS
from tools.benchmark.suites import OURS_GPT2
from tools.benchmark.suites import TORCH
from tools.benchmark.suites import VOCABULARY
from tools.benchmark.suites import Contender
from tools.benchmark.suites import Suite
from tools.benchmark.suites import Target


def decode(rows: int) -> Suite:
    """Returns the suite of greedy writing, 32 + 64 tokens a row."""
    options = dict(
        model=dict(**OURS_GPT2, vocab_size=VOCABULARY, max_length=1024),
        rows=rows,
        prompt_tokens=32,
        new_tokens=64,
    )
    peers = dict(
        options, model=dict(**GPT2, vocab_size=VOCABULARY, max_length=1024)
    )
    goal = 1.4 if rows == 1 else 1.6
    return Suite(
        f"decode_{rows}",
        "tokens",
        (
            Contender(OURS, "decode_ours", options),
            Contender("KerasHub", "decode_keras_hub", peers),
            Contender("transformers", "decode_transformers", peers, TORCH),
        ),
        (
            Target(OURS, "KerasHub", goal),
            Target(OURS, "transformers", 1.0),
        ),
    )


def decode_xla(rows: int) -> Suite:
    """Returns the suite of the same as `decode`, compiled by XLA."""
    ours, peer, _ = decode(rows).contenders
    peer = dataclasses.replace(
        peer, options=dict(peer.options, jit_compile=True)
    )
    goal = 1.6 if rows == 1 else 2.0
    return Suite(
        f"decode_{rows}_xla",
        "tokens",
        (dataclasses.replace(ours, program="decode_xla_ours"), peer),
        (Target(OURS, "KerasHub", goal),),
    )


def decode_faster() -> Suite:
    """Returns the suite of what writes a single row faster than plainly.

    Greedy text of random weights soon says the same again: a text that
    repeats itself, which is what guesses are for.
    """
    plain = decode(1).contenders[0]

    def other(name, **more):
        options = dict(plain.options, **more)
        return Contender(f"{OURS}, {name}", plain.program, options)

    lookup, half = "guesses of 7 tokens", "bfloat16"
    return Suite(
        "decode_faster",
        "tokens",
        (
            plain,
            other(lookup, prompt_lookup=7),
            other(half, dtype="bfloat16"),
        ),
        (Target(f"{OURS}, {lookup}", OURS, 1.5),),
    )


def prefill() -> Suite:
    """Returns the suite of reading 512 tokens and writing one."""
    suite = decode(1)
    contenders = tuple(
        dataclasses.replace(
            contender,
            options=dict(contender.options, prompt_tokens=512, new_tokens=1),
        )
        for contender in suite.contenders
    )
    return dataclasses.replace(
        suite,
        name="prefill",
        unit="texts",
        contenders=contenders,
        targets=(Target(OURS, "KerasHub", 1.5),),
    )


def long_text() -> Suite:
    """Returns the suite of writing 16 tokens at the two ends of a cache.

    The time until the first token, which reads the prompt, is left out.
    """
    model = dict(**OURS_GPT2, vocab_size=VOCABULARY, max_length=1024)

    def at(position, room):
        name = f"{OURS}, at position {position:,} of {room:,}"
        options = dict(
            model=model,
            rows=1,
            prompt_tokens=position,
            new_tokens=17,
            after_first=True,
            room=room,
        )
        return Contender(name, "decode_ours", options)

    contenders = at(50, 128), at(50, 1024), at(1000, 1024)
    small, early, late = (contender.name for contender in contenders)
    return Suite(
        "long_text",
        "tokens",
        contenders,
        (Target(late, early, 0.8), Target(early, small, 0.95)),
    )


def memory_bandwidth() -> Suite:
    """Returns the reading of 494 MB, which is what a token of 124M costs."""
    options = {"bytes": 494_000_000, "times": 4}
    return Suite(
        "memory_bandwidth",
        "bytes",
        (Contender("matrix × vector", "read_memory", options),),
    )
