"""Prompts as token ids and settings come in, completions as ids go out.

Everything is a tensor and nothing is kept between calls, so the same code
runs eagerly, in a `tf.function` and in an exported signature.
"""

import tensorflow as tf

from gpt_keras.generation.cache_rows import with_lengths
from gpt_keras.generation.cache_rows import with_positions
from gpt_keras.generation.columns import cut_columns
from gpt_keras.generation.columns import join_columns
from gpt_keras.generation.decoding_state import LENGTH
from gpt_keras.generation.decoding_state import MAX_LENGTH
from gpt_keras.generation.decoding_state import PAUSED
from gpt_keras.generation.decoding_state import REPETITION
from gpt_keras.generation.decoding_state import RUNNING
from gpt_keras.generation.decoding_state import STOP
from gpt_keras.generation.decoding_state import Context
from gpt_keras.generation.decoding_state import DecodingState
from gpt_keras.generation.decoding_state import Generated
from gpt_keras.generation.decoding_state import Written
from gpt_keras.generation.decoding_state import has_more
from gpt_keras.generation.drawn_seeds import with_drawn_seeds
from gpt_keras.generation.policy import NO_POLICY
from gpt_keras.generation.policy import Policy
from gpt_keras.generation.prompt_lookup import look_up
from gpt_keras.generation.repetition_guard import count_repeats
from gpt_keras.generation.repetition_guard import is_repeated
from gpt_keras.generation.repetition_guard import no_repeats
from gpt_keras.generation.repetition_guard import repeats_of
from gpt_keras.generation.sampling import SamplingContext
from gpt_keras.generation.sampling import sample
from gpt_keras.generation.settings import GenerationSettings
from gpt_keras.generation.text_rules import TextRules
from gpt_keras.generation.token_details import TokenDetails
from gpt_keras.generation.windows import Windows
from gpt_keras.generation.windows import open_shape
from gpt_keras.layers.dynamic_steps import dynamic_steps


class Decoder:
    """Generates token ids with a model and its cache.

    A row's completion depends neither on the other rows of its batch nor on
    padding. Prompt and completion together fit into the model's `max_length`:
    of a longer prompt the end is kept, with room for one new token. An empty
    prompt starts from the end-of-text token, as a document does.

    Args:
        model: Has `max_length`, `vocab_size`, `make_cache`, `hidden_states`
            and `logits`.
        tokenizer: Has `vocab_size`, `end_of_text_id` and `token_bytes`. Only
            its ids are drawn: a model's vocabulary may be padded beyond it.
        policy: A `Policy`; its limits are judged elsewhere.
        details: Whether to make `Details`.

    Raises:
        ValueError: The model's `max_length` is below 2, or the tokenizer has
            ids that the model doesn't know.
    """

    def __init__(
        self, model, tokenizer, policy: Policy = NO_POLICY, details=False
    ):
        check_fit(model, tokenizer)
        self.model = model
        self.max_length = model.max_length
        self.end_of_text_id = tokenizer.end_of_text_id
        self.vocab_size = tokenizer.vocab_size
        self._texts = TextRules(tokenizer, policy.banned)
        self._watermark = policy.watermark
        self._guard = policy.repetition_guard
        self._details = TokenDetails(self.vocab_size, details)
        self._num_drafts = policy.prompt_lookup
        self._windows = Windows(model, self.end_of_text_id, self._num_drafts)

    def generate(
        self, prompt_ids, prompt_lengths, settings: GenerationSettings
    ) -> Generated:
        """Completes prompts.

        Args:
            prompt_ids: `(batch, length)` int32, right-padded with anything.
            prompt_lengths: `(batch,)` int32.
            settings: Tensors `(batch,)`.

        Returns:
            `Generated`.
        """
        settings = with_drawn_seeds(settings)
        state = self.start(prompt_ids, prompt_lengths, settings)
        return self.result(self.advance(state, settings))

    def start(
        self,
        prompt_ids,
        prompt_lengths,
        settings: GenerationSettings,
        written: Written | None = None,
        steps=None,
    ) -> DecodingState:
        """Returns rows before their next token; `advance` reads and draws.

        Seeds have been drawn before.

        Args:
            prompt_ids: `(batch, length)` int32, right-padded with anything.
            prompt_lengths: `(batch,)` int32.
            settings: Tensors `(batch,)`.
            written: What the rows go on from; None for nothing.
            steps: `(batch,)` int32, the most tokens that each row gets before
                it pauses; 0 or None for all.

        Returns:
            `DecodingState`.
        """
        context = self._windows.context(prompt_ids, prompt_lengths)
        return self._opened(context, settings, written, steps)

    def resume(
        self,
        context: Context,
        written: Written,
        cache,
        settings: GenerationSettings,
        steps,
    ) -> DecodingState:
        """Returns rows that go on with the cache that they had.

        Args:
            context: What the model was given.
            written: What followed, at least one token in a row that goes on.
            cache: Of all tokens of each row's window but the last, see
                `window_lengths`; with any number of positions.
            settings: Tensors `(batch,)`.
            steps: As for `start`.

        Returns:
            `DecodingState`.
        """
        state = self._opened(context, settings, written, steps)
        size = self._windows.cache_size(state.token_ids)
        return state._replace(
            cache=with_positions(cache, size),
            is_stale=tf.zeros_like(state.is_stale),
        )

    def window_lengths(self, context_lengths, counts):
        """See `Windows.lengths`."""
        return self._windows.lengths(context_lengths, counts)

    def _opened(self, context, settings, written, steps):
        """Returns the state of rows that the model has not read yet."""
        if written is None:
            token_ids, lengths = context.token_ids, context.lengths
            counts = tf.zeros_like(lengths)
        else:
            counts = written.lengths
            lengths = context.lengths + counts
            token_ids = join_columns(
                context.token_ids,
                context.lengths,
                written.token_ids,
                counts,
                self.end_of_text_id,
            )
        is_rolling = settings.overflow == "roll"
        left = settings.max_new_tokens - counts
        if steps is not None:
            left = tf.where(steps > 0, tf.minimum(steps, left), left)
        token_ids = tf.pad(
            token_ids,
            [[0, 0], [0, self._room(lengths, left, is_rolling)]],
            constant_values=self.end_of_text_id,
        )
        return DecodingState(
            cache=self._windows.empty_cache(token_ids),
            is_stale=tf.ones_like(lengths, tf.bool),
            token_ids=token_ids,
            lengths=lengths,
            context_lengths=context.lengths,
            prompt_lengths=context.prompt_lengths,
            window_lengths=self.window_lengths(context.lengths, counts),
            finish_reasons=tf.where(left > 0, RUNNING, LENGTH),
            pause_lengths=counts + left,
            is_rolling=is_rolling,
            seeds=settings.seed,
            texts=self._texts.start(settings, token_ids, lengths, written),
            repeats=self._repeats(written, lengths),
            details=self._details.before(written, context, token_ids),
        )

    def _repeats(self, written, lengths):
        if written is None or not self._guard:
            return no_repeats(tf.shape(lengths)[0], bool(self._guard))
        return repeats_of(written.token_ids, written.lengths)

    def advance(
        self,
        state: DecodingState,
        settings: GenerationSettings,
        max_steps: int | None = None,
    ) -> DecodingState:
        """Adds tokens until all rows have ended, or `max_steps` to each.

        With guesses of a policy's `prompt_lookup` a step may add several.
        """
        state = tf.nest.map_structure(tf.convert_to_tensor, state)
        shapes = tf.nest.map_structure(lambda values: values.shape, state)
        shapes = shapes._replace(
            cache=tf.nest.map_structure(open_shape, state.cache)
        )
        step = self._step_with_drafts if self._num_drafts else self._step
        return tf.while_loop(
            lambda state: tf.reduce_any(state.finish_reasons == RUNNING),
            lambda state: (_shaped(step(state, settings), shapes),),
            (state,),
            shape_invariants=(shapes,),
            maximum_iterations=max_steps,
        )[0]

    def result(self, state: DecodingState) -> Generated:
        """Returns what the rows have got so far."""
        starts = state.context_lengths
        counts = state.lengths - starts
        token_ids = cut_columns(
            state.token_ids, starts, counts, self.end_of_text_id
        )
        is_running = has_more(state.finish_reasons)
        counts = self._texts.count_tokens(
            state.texts, token_ids, counts, is_running
        )
        return Generated(
            token_ids=cut_columns(
                token_ids, tf.zeros_like(counts), counts, self.end_of_text_id
            ),
            lengths=counts,
            text_lengths=self._texts.text_lengths(state.texts, is_running),
            finish_reasons=state.finish_reasons,
            prompt_truncated=state.prompt_lengths >= self.max_length,
            seeds=state.seeds,
            details=tf.nest.map_structure(
                lambda values: cut_columns(values, starts, counts, 0),
                state.details,
            ),
        )

    def _step(self, state, settings):
        """Reads each row's last token and adds the next one."""
        state = self._windows.refresh(state)
        is_running = state.finish_reasons == RUNNING
        last = tf.gather(state.token_ids, state.lengths - 1, batch_dims=1)
        with dynamic_steps():
            hidden, cache = self.model.hidden_states(
                last[:, None],
                state.cache,
                training=False,
                mask=is_running[:, None],
            )
            logits = self.model.logits(hidden[:, 0])[:, : self.vocab_size]
        state = state._replace(cache=cache)
        return self._append(state, logits, settings, is_running)[0]

    def _step_with_drafts(self, state, settings):
        """Reads each row's last token with a guess at what follows, and adds
        what is drawn as long as it is what was guessed, and one more.

        Every token is drawn from what the model says after those before it,
        so it is the one that `_step` adds.
        """
        state = self._windows.refresh(state)
        is_running = state.finish_reasons == RUNNING
        drafts = look_up(
            state.token_ids,
            state.lengths,
            self._draft_limits(state, is_running),
            self._num_drafts,
            self.end_of_text_id,
        )
        last = tf.gather(state.token_ids, state.lengths - 1, batch_dims=1)
        length = 1 + tf.reduce_max(drafts.lengths)
        places = tf.range(length)[None]
        with dynamic_steps():
            hidden, cache = self.model.hidden_states(
                tf.concat([last[:, None], drafts.token_ids], 1)[:, :length],
                state.cache,
                training=False,
                mask=is_running[:, None] & (places <= drafts.lengths[:, None]),
            )
        logits = self.model.logits(hidden)[..., : self.vocab_size]
        # Behind a guess's last token there is none to be equal to.
        guesses = tf.pad(drafts.token_ids, [[0, 0], [0, 1]])
        guesses = tf.where(
            tf.range(self._num_drafts + 1)[None] < drafts.lengths[:, None],
            guesses,
            -1,
        )

        def add(index, is_on, state):
            now = tf.gather(logits, index, axis=1)
            state, drawn = self._append(state, now, settings, is_on)
            is_on &= drawn == tf.gather(guesses, index, axis=1)
            is_on &= state.finish_reasons == RUNNING
            is_on.set_shape(is_running.shape)
            return index + 1, is_on, _shaped(state, shapes)

        state = state._replace(cache=())  # nobody looks at it
        shapes = tf.nest.map_structure(lambda values: values.shape, state)
        _, _, state = tf.while_loop(
            lambda index, is_on, _: tf.reduce_any(is_on) & (index < length),
            add,
            (tf.constant(0), is_running, state),
            shape_invariants=(tf.TensorShape([]), is_running.shape, shapes),
        )
        # What was guessed wrong is never read: it stands behind the last one.
        filled = state.window_lengths - 1
        return state._replace(cache=with_lengths(cache, is_running, filled))

    def _draft_limits(self, state, is_running):
        """Returns how many guesses rows have room for, `(batch,)` int32.

        What is read is as wide for all rows, and must fit behind each one.
        """
        size = self._windows.cache_size(state.token_ids)
        room = size - tf.reduce_max(state.window_lengths)
        counts = state.lengths - state.context_lengths
        left = tf.minimum(
            state.pause_lengths - counts, self.max_length - state.window_lengths
        )
        return tf.where(is_running, tf.minimum(left - 1, room), 0)

    def _append(self, state, logits, settings, is_on):
        """Draws a token for rows that are on, and adds it.

        Args:
            state: Before it.
            logits: `(batch, vocab_size)`, the model's.
            settings: Tensors `(batch,)`.
            is_on: `(batch,)` boolean, of running rows.

        Returns:
            The state, and `(batch,)` int32, the tokens.
        """
        logits = tf.ensure_shape(logits, [None, self.vocab_size])
        drawn = sample(
            logits,
            settings._replace(seed=state.seeds),
            SamplingContext(
                positions=state.prompt_lengths
                + (state.lengths - state.context_lengths),
                token_ids=state.token_ids,
                lengths=state.lengths,
                context_lengths=state.context_lengths,
                end_of_text_id=self.end_of_text_id,
                is_banned=self._texts.banned_tokens(state.texts),
                may_ban=self._texts.may_ban(state.texts),
                watermark=self._watermark,
                spans=state.spans or None,
            ),
        )
        is_added = is_on & (drawn != self.end_of_text_id)
        state = self._add(state, drawn, is_added, logits)
        reasons = self._finish_reasons(state, settings, drawn)
        reasons = tf.where(is_on, reasons, state.finish_reasons)
        return state._replace(finish_reasons=reasons), drawn

    def _add(self, state, drawn, is_added, logits):
        """Writes the drawn tokens behind the rows that go on."""
        columns = tf.range(tf.shape(state.token_ids)[1])[None]
        is_next = (columns == state.lengths[:, None]) & is_added[:, None]

        def write(old, new):
            places = tf.reshape(
                is_next, [*tf.unstack(tf.shape(is_next)), *[1] * (old.ndim - 2)]
            )
            return tf.where(places, new[:, None], old)

        added = tf.cast(is_added, tf.int32)
        return state._replace(
            token_ids=write(state.token_ids, drawn),
            lengths=state.lengths + added,
            window_lengths=state.window_lengths + added,
            texts=self._texts.read(state.texts, drawn, is_added),
            repeats=count_repeats(state, drawn, is_added),
            details=tf.nest.map_structure(
                write, state.details, self._details.of(logits, drawn)
            ),
        )

    def _finish_reasons(self, state, settings, drawn):
        counts = state.lengths - state.context_lengths
        is_full = state.window_lengths >= self.max_length
        is_full &= ~state.is_rolling
        reasons = tf.where(counts >= state.pause_lengths, PAUSED, RUNNING)
        reasons = tf.where(is_full, MAX_LENGTH, reasons)
        reasons = tf.where(counts >= settings.max_new_tokens, LENGTH, reasons)
        if self._guard:
            is_looping = is_repeated(state.repeats, self._guard)
            reasons = tf.where(is_looping, REPETITION, reasons)
        is_stopped = (drawn == self.end_of_text_id) | state.texts.is_stopped
        return tf.where(is_stopped, STOP, reasons)

    def _room(self, lengths, left, is_rolling):
        """Returns how many tokens the rows can get at most, a scalar."""
        counts = tf.where(
            is_rolling, left, tf.minimum(left, self.max_length - lengths)
        )
        return tf.maximum(tf.reduce_max(counts), 0)


def _shaped(state, shapes):
    """Returns a state whose shapes are told: no operation says them."""
    for values, shape in zip(
        tf.nest.flatten(state), tf.nest.flatten(shapes), strict=True
    ):
        values.set_shape(shape)
    return state


def check_fit(model, tokenizer) -> None:
    """Raises ValueError if the two can't write text together."""
    if model.max_length < 2:
        raise ValueError(
            "`max_length` must be at least 2 to generate. Received: "
            f"max_length={model.max_length}"
        )
    if tokenizer.vocab_size > model.vocab_size:
        raise ValueError(
            "The tokenizer's vocabulary must not be larger than the model's. "
            f"Received: tokenizer.vocab_size={tokenizer.vocab_size}, "
            f"model.vocab_size={model.vocab_size}"
        )
