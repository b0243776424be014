"""`GPTModel` with what is only tried here: these are experiments.

They aren't in the library: they can be trained and asked for logits, and
neither saved, nor exported, nor decoded with a cache.
"""

import keras
from keras import ops

from gpt_keras.layers.causal_self_attention import CausalSelfAttention
from gpt_keras.layers.shared_step import SharedStep
from gpt_keras.model import GPTModel


class CappedGPT(GPTModel):
    """A GPT whose logits stay within ±15.

    Reference:
        Gemma Team 2024, Gemma 2, §2; the 15 is modded-nanoGPT's.
    """

    soft_cap = 15.0

    def logits(self, hidden):
        logits = super().logits(hidden)
        return self.soft_cap * ops.tanh(logits / self.soft_cap)


class ValueGPT(GPTModel):
    """A GPT whose attention gathers embeddings of the tokens with its values.

    There are half as many tables as blocks: the first and the second half of
    the blocks read the same ones.

    Reference:
        Zhou et al. 2024, Value Residual Learning, and its form in
        modded-nanoGPT (Jordan et al. 2024).
    """

    def _make_layers(self):
        super()._make_layers()
        # As large as the values beside them, which are sums of `d_model`.
        stddev = self.initializer_stddev * self.d_model**0.5
        self.value_embeddings = [
            keras.layers.Embedding(
                self.padded_vocab_size,
                self.d_model,
                embeddings_initializer=keras.initializers.RandomNormal(
                    stddev=stddev
                ),
                dtype=self.dtype_policy,
                name=f"value_embedding_{index}",
            )
            for index in range(max(1, self.num_layers // 2))
        ]
        for block in self.blocks:
            block.attention = ValueAttention.from_config(
                block.attention.get_config()
            )

    def build(self, input_shape):
        for embedding in self.value_embeddings:
            embedding.build(input_shape)
        super().build(input_shape)

    def _hidden_states(self, step, x, cache, training, mask):
        tables = [embedding(x) for embedding in self.value_embeddings]

        def step_with_values(block, y, cache, training, mask, starts, shared):
            index = self.blocks.index(block) % len(tables)
            shared = _StepWithValues(*shared)
            shared.values = tables[index]
            return step(block, y, cache, training, mask, starts, shared)

        return super()._hidden_states(
            step_with_values, x, cache, training, mask
        )


class CappedValueGPT(CappedGPT, ValueGPT):
    """Both."""


class ValueAttention(CausalSelfAttention):
    """Attention to values with embeddings, by two learned weights."""

    def build(self, input_shape):
        super().build(input_shape)
        half = keras.initializers.Constant(0.5)  # as modded-nanoGPT
        self.value_weights = self.add_weight((2,), half, name="value_weights")

    def _project(self, x, shared):
        query, key, value = super()._project(x, shared)
        shape = (*ops.shape(x)[:2], self.num_heads, self.head_dim)
        tokens = ops.transpose(ops.reshape(shared.values, shape), (0, 2, 1, 3))
        weights = ops.cast(self.value_weights, value.dtype)
        return query, key, weights[0] * value + weights[1] * tokens


class _StepWithValues(SharedStep):
    """`SharedStep` with `values`, `(batch, length, d_model)` of a block."""


def model_class(soft_cap: bool, value_embeddings: bool) -> type[GPTModel]:
    """Returns the class that has what is wanted."""
    return {
        (False, False): GPTModel,
        (True, False): CappedGPT,
        (False, True): ValueGPT,
        (True, True): CappedValueGPT,
    }[soft_cap, value_embeddings]
