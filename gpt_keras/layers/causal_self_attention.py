"""Causal self-attention: each position looks at itself and those before."""

import keras
from keras import ops

from gpt_keras.layers.adapted_dense import AdaptedDense
from gpt_keras.layers.blockwise_attention import attend
from gpt_keras.layers.blockwise_attention import attend_once
from gpt_keras.layers.blockwise_attention import attention_weights
from gpt_keras.layers.dropout import Dropout
from gpt_keras.layers.few_rows import is_one_token
from gpt_keras.layers.flat_product import leading_shape
from gpt_keras.layers.initializers import fresh
from gpt_keras.layers.kv_cache import KVCache
from gpt_keras.layers.kv_cache import empty_cache
from gpt_keras.layers.kv_cache import write_cache
from gpt_keras.layers.normalization import RMSNormalization
from gpt_keras.layers.positional_encoding import rotate
from gpt_keras.layers.shared_step import share_step


@keras.saving.register_keras_serializable(package="gpt_keras")
class CausalSelfAttention(keras.layers.Layer):
    """Multi-head self-attention that never sees a later position.

    softmax(QKᵀ / √head_dim) V for each head, the softmax in float32 under
    every dtype policy. Queries, keys and values come from one fused
    projection.

    Args:
        d_model: The width of input and output, a multiple of `num_heads`.
        num_heads: The number of heads.
        rate: Dropout rate of the attention weights.
        rotary: Turn queries and keys by their positions (RoPE).
        qk_norm: Normalise queries and keys of each head (RMS).
        use_bias: Whether the projections have biases.
        norm_epsilon: Of the query and key normalisation.
        kernel_initializer: Of the fused projection.
        output_initializer: Of the output projection.

    Call arguments:
        x: `(batch, length, d_model)`.
        training: Whether to drop.
        mask: Boolean `(batch, length)`, True where there is a token.
            Positions without one are never attended to.
        document_starts: `(batch, length)` int32, the place where the document
            of each position begins: it looks no further back, and its
            rotary position is counted from there. None means 0. See
            `gpt_keras.layers.documents`.

    Raises:
        ValueError: `d_model` is not a multiple of `num_heads`, or `rotary`
            meets an odd head width.

    Reference:
        Vaswani et al. 2017, §3.2.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        rate: float = 0.0,
        *,
        rotary: bool = False,
        qk_norm: bool = False,
        use_bias: bool = True,
        norm_epsilon: float = 1e-5,
        kernel_initializer="glorot_uniform",
        output_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check_heads(d_model, num_heads, rotary)
        self.d_model = d_model
        self.num_heads = num_heads
        self.head_dim = d_model // num_heads
        self.rate = rate
        self.rotary = rotary
        self.qk_norm = qk_norm
        self.use_bias = use_bias
        self.norm_epsilon = norm_epsilon
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.output_initializer = keras.initializers.get(output_initializer)
        self.query_key_value = AdaptedDense(
            3 * d_model,
            use_bias=use_bias,
            kernel_initializer=fresh(self.kernel_initializer),
            dtype=self.dtype_policy,
            name="query_key_value",
        )
        self.output_projection = AdaptedDense(
            d_model,
            use_bias=use_bias,
            kernel_initializer=fresh(self.output_initializer),
            dtype=self.dtype_policy,
            name="output_projection",
        )
        self.dropout = Dropout(rate, dtype=self.dtype_policy)
        if qk_norm:
            self.query_norm = self._norm("query_norm")
            self.key_norm = self._norm("key_norm")
        self.supports_masking = True

    def build(self, input_shape):
        self.query_key_value.build(input_shape)
        self.output_projection.build(input_shape)
        if self.qk_norm:
            self.query_norm.build((None, None, None, self.head_dim))
            self.key_norm.build((None, None, None, self.head_dim))

    def call(self, x, training=None, mask=None, document_starts=None):
        return self.step(x, None, training, mask, document_starts)[0]

    def step(
        self,
        x,
        cache=None,
        training=None,
        mask=None,
        document_starts=None,
        shared=None,
    ):
        """Attends within `x` and to what the cache holds.

        Args:
            x: `(batch, length, d_model)`, the new positions.
            cache: `KVCache` of the positions before, or None.
            training: Whether to drop.
            mask: Boolean `(batch, length)`, True where there is a token.
            document_starts: As of the call; places are counted from the
                beginning of the cache.
            shared: `SharedStep` of these arguments; None to make it.

        Returns:
            The outputs `(batch, length, d_model)`, and the cache with the
            new positions (None without one).
        """
        if shared is None:
            shared = self.share_step(x, cache, mask, document_starts)
        query, key, value = self._project(x, shared)
        if cache is None:
            drop = self.dropout.repeatable() if training else None
            outputs = attend(
                query, key, value, shared.visible, drop, shared.is_causal
            )
            return self._outputs(outputs), None
        cache = write_cache(cache, key, value, shared.write)
        key, value = [
            ops.cast(_first(filled, shared.num_keys), x.dtype)
            for filled in (cache.keys, cache.values)
        ]
        if is_one_token(x) and not training:
            outputs = attend_once(query, key, value, shared.visible)
            return self._outputs(outputs), cache
        weights = self._weights(query, key, shared.visible)
        weights = self.dropout(
            ops.cast(weights, value.dtype), training=training
        )
        return self._outputs(ops.matmul(weights, value)), cache

    def share_step(self, x, cache=None, mask=None, document_starts=None):
        """Returns the `SharedStep` of `step`, for all layers like this one."""
        rotary_dim = self.head_dim if self.rotary else None
        return share_step(x, cache, mask, document_starts, rotary_dim)

    def attention_weights(self, x, mask=None, document_starts=None):
        """Returns what each position of `x` gathers from which.

        They are those of `step` without a cache and without dropout, before
        they are rounded to the compute dtype.

        Args:
            x: `(batch, length, d_model)`.
            mask: Boolean `(batch, length)`, True where there is a token.
            document_starts: As of the call.

        Returns:
            `(batch, num_heads, length, length)` float32, a row for each
            position that looks; its columns, those looked at, sum to 1, also
            where the mask leaves it nothing to see.
        """
        shared = self.share_step(x, None, mask, document_starts)
        query, key, _ = self._project(x, shared)
        return self._weights(query, key, shared.visible)

    def make_cache(self, batch_size, max_length: int) -> KVCache:
        """Returns an empty cache for `max_length` positions."""
        return empty_cache(
            batch_size,
            self.num_heads,
            max_length,
            self.head_dim,
            self.compute_dtype,
        )

    def _project(self, x, shared):
        """Returns queries, keys, values `(batch, heads, length, head_dim)`."""
        query, key, value = self._heads(self.query_key_value(x))
        if self.qk_norm:
            query, key = self.query_norm(query), self.key_norm(key)
        if self.rotary:
            query, key = rotate(query, shared.turn), rotate(key, shared.turn)
        return query, key, value

    def _heads(self, fused):
        """Cuts `(batch, length, 3 * d_model)` into three, by heads."""
        shape = (*leading_shape(fused), 3, self.num_heads, self.head_dim)
        if keras.backend.backend() == "tensorflow":
            # One copy, whose thirds are runs of memory.
            fused = ops.reshape(fused, shape)
            return ops.unstack(ops.transpose(fused, (2, 0, 3, 1, 4)))
        # XLA joins each third's copy with the one that attention needs.
        thirds = [
            ops.reshape(x, (*shape[:2], *shape[3:]))
            for x in ops.split(fused, 3, axis=-1)
        ]
        return [ops.transpose(x, (0, 2, 1, 3)) for x in thirds]

    def _weights(self, query, key, visible):
        """Returns softmax(QKᵀ / √head_dim) in float32, 0 where not visible."""
        return attention_weights(query * self.head_dim**-0.5, key, visible)

    def _outputs(self, gathered):
        """Projects the heads' results, back side by side."""
        gathered = ops.transpose(gathered, (0, 2, 1, 3))
        shape = (*leading_shape(gathered)[:2], self.d_model)
        return self.output_projection(ops.reshape(gathered, shape))

    def _norm(self, name):
        return RMSNormalization(
            epsilon=self.norm_epsilon, dtype=self.dtype_policy, name=name
        )

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "d_model": self.d_model,
            "num_heads": self.num_heads,
            "rate": self.rate,
            "rotary": self.rotary,
            "qk_norm": self.qk_norm,
            "use_bias": self.use_bias,
            "norm_epsilon": self.norm_epsilon,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
            "output_initializer": keras.initializers.serialize(
                self.output_initializer
            ),
        }


def _first(filled, num_keys):
    """Returns what a cache holds of so many positions; None: of all."""
    if num_keys is None:
        return filled
    return filled[:, :, :num_keys]  # all of them are no copy


def _check_heads(d_model: int, num_heads: int, rotary: bool):
    if num_heads < 1 or d_model < 1 or d_model % num_heads:
        raise ValueError(
            "`d_model` must be a positive multiple of `num_heads`. Received: "
            f"d_model={d_model}, num_heads={num_heads}"
        )
    if rotary and (d_model // num_heads) % 2:
        raise ValueError(
            "Rotary positions need an even d_model / num_heads. Received: "
            f"d_model={d_model}, num_heads={num_heads}"
        )
