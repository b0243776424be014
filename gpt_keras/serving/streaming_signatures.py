"""A model and its tokenizer come in, the signatures that answer piece by piece
out.

Nothing is kept between their calls: what a row goes on from is in the answer
and comes back with the next request. By `state_bytes` it is everything, the
cache included; by `continuation` tokens only, which are read again.
"""

from collections.abc import Collection

import tensorflow as tf

from gpt_keras.generation.decoding_state import Completions
from gpt_keras.generation.drawn_seeds import with_drawn_seeds
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.settings import SETTINGS_SPEC
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.text_completion import TextCompleter
from gpt_keras.serving.continuation import read_continuation
from gpt_keras.serving.continuation import write_continuation
from gpt_keras.serving.fingerprint import make_fingerprint
from gpt_keras.serving.row_state import RowStates
from gpt_keras.serving.signature import Signature
from gpt_keras.serving.signature import strings

_STEPS = tf.TensorSpec([None], tf.int32, "steps")


def streaming_signatures(
    model, tokenizer, policy: Policy, names: Collection[str]
) -> dict[str, Signature]:
    """Returns those of `generate`, `prefill` and `step` that are in `names`.

    Args:
        model: A `GPTModel`.
        tokenizer: The tokenizer that it was trained with.
        policy: What holds for every row.
        names: Of signatures.

    Raises:
        ValueError: The tokenizer has ids that the model doesn't know.
    """
    makers = {"generate": _generate, "prefill": _prefill, "step": _step}
    makers = {name: make for name, make in makers.items() if name in names}
    if not makers:
        return {}
    completer = TextCompleter(model, tokenizer, policy, details=True)
    fingerprint = make_fingerprint(model, tokenizer, policy)
    states = RowStates(model, tokenizer, fingerprint, completer.window_lengths)
    return {name: make(completer, states) for name, make in makers.items()}


def _generate(completer, states):
    def function(prompts, steps, continuation, **settings):
        given = GenerationSettings(**settings)
        continued = read_continuation(
            continuation, prompts, given, states.fingerprint, states.held_size
        )
        seeds = tf.where(continued.seeds < 0, given.seed, continued.seeds)
        state = completer.start(
            prompts,
            with_drawn_seeds(given._replace(seed=seeds)),
            continued.written,
            steps,
            continued.errors,
        )
        state = completer.advance(state)
        piece = completer.piece(state)
        text = write_continuation(
            prompts, given, state.decoding, piece, states.fingerprint
        )
        return {**outputs_of(piece.new), "continuation": text}

    beside = (_STEPS, strings("continuation"))
    return Signature(function, (strings("prompts"), *SETTINGS_SPEC, *beside))


def _prefill(completer, states):
    def function(prompts, **settings):
        settings = with_drawn_seeds(GenerationSettings(**settings))
        one = tf.ones_like(settings.max_new_tokens)
        state = completer.start(prompts, settings, steps=one)
        return _answer(completer, states, state)

    return Signature(function, (strings("prompts"), *SETTINGS_SPEC))


def _step(completer, states):
    def function(state_bytes, steps):
        rows = states.read(state_bytes)
        state = completer.resume(steps=steps, **rows._asdict())
        return _answer(completer, states, state)

    return Signature(function, (strings("state_bytes"), _STEPS))


def _answer(completer, states, state):
    state = completer.advance(state)
    piece = completer.piece(state)
    return {
        **outputs_of(piece.new),
        "state_bytes": states.write(state, piece),
    }


def outputs_of(made: Completions) -> dict[str, tf.Tensor]:
    """Returns completions by the names that the signatures give them."""
    return {
        "completions": made.completions,
        "completions_bytes": made.completions_bytes,
        "token_ids": made.token_ids,
        "lengths": made.lengths,
        **made.details._asdict(),
        "finish_reason": made.finish_reasons,
        "prompt_truncated": made.prompt_truncated,
        "seed_used": made.seeds,
        "error": made.errors,
    }
