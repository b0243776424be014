"""Token ids that rows begin with and a function that says what may follow come
in, the likeliest ways to go on go out.

A hypothesis is one way to go on; its score is

    log-probability / ((5 + length) / 6) ** length_penalty

where the length counts the token that ends it. At each step every live
hypothesis is tried with every token. Of all these the likeliest `num_beams`
count: those that end are kept if they are among the `num_beams` best that have
ended so far, by their scores. The likeliest `num_beams` that don't end live on.
A row ends when none of them can get a better score than the worst that is kept,
or when they have as many tokens as they may. One beam is greedy decoding: it
ends with the first hypothesis that does.

Among equal ones the lower beam comes first, then the lower token id; of those
that have ended, what ended earlier.

Reference:
    Wu et al. 2016, Google's Neural Machine Translation System, §7, without its
    coverage penalty.
"""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import tensorflow as tf

from gpt_keras.generation.decoding_state import RUNNING
from gpt_keras.generation.decoding_state import STOP
from gpt_keras.generation.decoding_state import Context
from gpt_keras.generation.windows import open_shape


class BeamOptions(NamedTuple):
    """How far to search, each a tensor `(batch,)`.

    Attributes:
        num_beams: int32, at least 1, how many hypotheses live and are kept.
        length_penalty: float32; 0 compares log-probabilities, more is for
            longer hypotheses.
        limits: int32, the most tokens of a hypothesis, the one that ends it
            counted.
        limit_reasons: int32, the finish reason of those that have as many.
    """

    num_beams: Any
    length_penalty: Any
    limits: Any
    limit_reasons: Any


class Beams(NamedTuple):
    """The hypotheses that live. The beams of one row follow each other, and
    there are as many in every row: those that a row has not are not alive.

    Attributes:
        token_ids: `(batch * beams, width)` int32, context and what follows.
        lengths: `(batch * beams,)` int32, the tokens of each.
        context_lengths: `(batch * beams,)` int32, how many are the context.
        is_live: `(batch * beams,)` boolean.
    """

    token_ids: Any
    lengths: Any
    context_lengths: Any
    is_live: Any


class NextTokens(NamedTuple):
    """What a step says of the token that follows.

    Attributes:
        log_probs: `(batch * beams, vocab_size)` float32, 0 at most; -inf for
            one that must not come.
        reasons: `(batch * beams, vocab_size)` int32, the finish reason of the
            hypothesis that the token would end, or `RUNNING`. That of the
            end-of-text token does not matter: it ends all.
    """

    log_probs: Any
    reasons: Any


class Hypotheses(NamedTuple):
    """The best hypotheses that ended, the best first.

    Attributes:
        token_ids: `(batch, beams, width)` int32, context and what follows,
            without the end-of-text token.
        lengths: `(batch, beams)` int32, the tokens of each.
        scores: `(batch, beams)` float32, -inf where there is none.
        log_probs: `(batch, beams)` float32, the sums over the tokens, that of
            the end of the text included.
        reasons: `(batch, beams)` int32 index into `FINISH_REASONS`.
    """

    token_ids: Any
    lengths: Any
    scores: Any
    log_probs: Any
    reasons: Any


def for_beams(values, options: BeamOptions):
    """Repeats each row for each beam.

    Args:
        values: A nested structure of tensors `(batch, …)`.
        options: Of the same rows.

    Returns:
        Tensors `(batch * beams, …)`, with as many beams as the row with most.
    """
    rows = tf.range(tf.shape(options.num_beams)[0])
    rows = tf.repeat(rows, _beam_count(options))
    # Not `tf.repeat` of the values, which would forget their shapes.
    return tf.nest.map_structure(lambda x: tf.gather(x, rows), values)


def beam_search(
    step: Callable[[Beams, Any], tuple[NextTokens, Any]],
    context: Context,
    carried,
    options: BeamOptions,
    end_of_text_id: int,
) -> Hypotheses:
    """Finds the likeliest ways to go on.

    A row's hypotheses depend on its own context, options and carried tensors
    alone.

    Args:
        step: Takes the hypotheses that live and what is carried; gives
            `NextTokens` of a known `vocab_size`, and what is carried from
            there. It reads one more token of each at each call.
        context: What the rows begin with; `prompt_lengths` is not read.
        carried: A nested structure of tensors that follow the hypotheses,
            `(batch * beams, …)` as of `for_beams`: a cache, for example.
        options: Tensors `(batch,)`.
        end_of_text_id: The token that ends a hypothesis and is not written.

    Returns:
        `Hypotheses`. A row whose limit is 0 has one, which is empty.
    """
    state = _start(context, carried, options, end_of_text_id)
    state = tf.nest.map_structure(tf.convert_to_tensor, state)
    shapes = tf.nest.map_structure(open_shape, state)

    def advance(state):
        state = _advance(step, state, options, end_of_text_id)
        for values, shape in zip(
            tf.nest.flatten(state), tf.nest.flatten(shapes), strict=True
        ):
            values.set_shape(shape)  # what no operation says of itself
        return (state,)

    return tf.while_loop(
        lambda state: tf.reduce_any(state.beams.is_live),
        advance,
        (state,),
        shape_invariants=(shapes,),
    )[0].best


def length_penalties(lengths, exponents):
    """Returns what log-probabilities are divided by.

    Args:
        lengths: int32.
        exponents: float32, the `length_penalty`.
    """
    return tf.pow((5.0 + tf.cast(lengths, tf.float32)) / 6.0, exponents)


class _State(NamedTuple):
    """Where the search stands.

    Attributes:
        count: A scalar, the tokens that each live hypothesis has got.
        beams: `Beams`.
        log_probs: `(batch, beams)` float32, of the live ones, the likeliest
            first; -inf for the others.
        carried: What follows them.
        best: `Hypotheses`.
    """

    count: Any
    beams: Beams
    log_probs: Any
    carried: Any
    best: Hypotheses


class _Chosen(NamedTuple):
    """Hypotheses with one token more, each `(batch, beams)`.

    Attributes:
        log_probs: float32, -inf where there is none.
        parents: int32, the beams that they come from, over all rows.
        tokens: int32.
        reasons: int32.
    """

    log_probs: Any
    parents: Any
    tokens: Any
    reasons: Any


_NONE = -float("inf")


def _beam_count(options):
    return tf.maximum(tf.reduce_max(options.num_beams), 1)


def _start(context, carried, options, end_of_text_id):
    """Returns each row's context, alive in its first beam."""
    batch_size = tf.shape(context.lengths)[0]
    count = _beam_count(options)
    room = tf.maximum(tf.reduce_max(options.limits), 0)
    token_ids = tf.pad(
        context.token_ids, [[0, 0], [0, room]], constant_values=end_of_text_id
    )
    is_first = tf.range(count)[None] == 0
    has_room = (options.limits > 0)[:, None]
    beams = Beams(
        token_ids=for_beams(token_ids, options),
        lengths=for_beams(context.lengths, options),
        context_lengths=for_beams(context.lengths, options),
        is_live=tf.reshape(is_first & has_room, [-1]),
    )
    shape = [batch_size, count]
    best = Hypotheses(
        token_ids=tf.reshape(beams.token_ids, [*shape, -1]),
        lengths=tf.reshape(beams.lengths, shape),
        scores=tf.where(is_first & ~has_room, 0.0, _NONE),
        log_probs=tf.zeros(shape),
        reasons=tf.broadcast_to(options.limit_reasons[:, None], shape),
    )
    return _State(
        count=tf.constant(0),
        beams=beams,
        log_probs=tf.where(is_first & has_room, 0.0, _NONE),
        carried=carried,
        best=best,
    )


def _advance(step, state, options, end_of_text_id):
    """Tries every token behind every live hypothesis."""
    found, carried = step(state.beams, state.carried)
    ended, going = _choose(state, found, options, end_of_text_id)
    best = _keep(state, ended, options, end_of_text_id)
    count = state.count + 1
    is_done = _is_done(best, going, options, count)
    log_probs = tf.where(is_done[:, None], _NONE, going.log_probs)
    token_ids, lengths = _extended(state.beams, going, end_of_text_id)
    parents = tf.reshape(going.parents, [-1])
    return _State(
        count=count,
        beams=Beams(
            token_ids=token_ids,
            lengths=lengths,
            context_lengths=state.beams.context_lengths,
            is_live=tf.reshape(log_probs > _NONE, [-1]),
        ),
        log_probs=log_probs,
        carried=tf.nest.map_structure(
            lambda values: tf.gather(values, parents), carried
        ),
        best=best,
    )


def _choose(state, found, options, end_of_text_id):
    """Returns the hypotheses that end, and those that live on."""
    batch_size, count = tf.unstack(tf.shape(state.log_probs))
    vocab_size = found.log_probs.shape[-1]
    shape = [batch_size, count, vocab_size]
    totals = state.log_probs[:, :, None] + tf.reshape(found.log_probs, shape)
    is_full = (state.count + 1 >= options.limits)[:, None, None]
    reasons = tf.reshape(found.reasons, shape)
    reasons = tf.where(
        (reasons == RUNNING) & is_full,
        options.limit_reasons[:, None, None],
        reasons,
    )
    is_end = tf.range(vocab_size) == end_of_text_id
    reasons = tf.where(is_end, STOP, reasons)
    flat = [batch_size, count * vocab_size]
    totals, reasons = tf.reshape(totals, flat), tf.reshape(reasons, flat)
    is_beam = tf.range(count)[None] < options.num_beams[:, None]

    def likeliest(totals):
        log_probs, places = tf.math.top_k(totals, count)
        firsts = tf.range(batch_size)[:, None] * count
        return _Chosen(
            log_probs=tf.where(is_beam, log_probs, _NONE),
            parents=firsts + places // vocab_size,
            tokens=places % vocab_size,
            reasons=tf.gather(reasons, places, batch_dims=1),
        )

    ended = likeliest(totals)
    is_ended = ended.reasons != RUNNING
    ended = ended._replace(log_probs=tf.where(is_ended, ended.log_probs, _NONE))
    return ended, likeliest(tf.where(reasons == RUNNING, totals, _NONE))


def _extended(beams, chosen, end_of_text_id):
    """Returns the chosen hypotheses' tokens and lengths."""
    parents = tf.reshape(chosen.parents, [-1])
    tokens = tf.reshape(chosen.tokens, [-1])
    token_ids = tf.gather(beams.token_ids, parents)
    lengths = tf.gather(beams.lengths, parents)
    is_added = tokens != end_of_text_id
    is_added &= tf.reshape(chosen.log_probs > _NONE, [-1])
    columns = tf.range(tf.shape(token_ids)[1])[None]
    is_next = (columns == lengths[:, None]) & is_added[:, None]
    return (
        tf.where(is_next, tokens[:, None], token_ids),
        lengths + tf.cast(is_added, tf.int32),
    )


def _keep(state, ended, options, end_of_text_id):
    """Returns the best of those that had ended and those that end."""
    shape = tf.shape(ended.log_probs)
    token_ids, lengths = _extended(state.beams, ended, end_of_text_id)
    penalties = length_penalties(state.count + 1, options.length_penalty)
    scores = ended.log_probs / penalties[:, None]
    scores = tf.maximum(scores, tf.float32.min)  # finite
    new = Hypotheses(
        token_ids=tf.reshape(token_ids, tf.concat([shape, [-1]], 0)),
        lengths=tf.reshape(lengths, shape),
        scores=tf.where(ended.log_probs > _NONE, scores, _NONE),
        log_probs=ended.log_probs,
        reasons=ended.reasons,
    )
    both = tf.nest.map_structure(
        lambda *values: tf.concat(values, 1), state.best, new
    )
    _, places = tf.math.top_k(both.scores, shape[1])
    is_beam = tf.range(shape[1])[None] < options.num_beams[:, None]
    best = tf.nest.map_structure(
        lambda values: tf.gather(values, places, batch_dims=1), both
    )
    return best._replace(scores=tf.where(is_beam, best.scores, _NONE))


def _is_done(best, going, options, count):
    """Says of which rows no live hypothesis can beat the worst kept."""
    # No log-probability is above 0, so that none gets a better score than the
    # likeliest would by certain tokens, at the length that favours it most.
    penalties = tf.maximum(
        length_penalties(count + 1, options.length_penalty),
        length_penalties(options.limits, options.length_penalty),
    )
    bound = going.log_probs[:, 0] / penalties
    last = options.num_beams - 1
    worst = tf.gather(best.scores, last, batch_dims=1)
    has_ended = best.scores[:, 0] > _NONE
    return (bound <= worst) | ((options.num_beams == 1) & has_ended)
