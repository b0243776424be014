"""One decoder block: self-attention and feed-forward, each with a residual."""

import keras

from gpt_keras.layers.activations import ACTIVATIONS
from gpt_keras.layers.adapted_dense import AdaptedDense
from gpt_keras.layers.causal_self_attention import CausalSelfAttention
from gpt_keras.layers.dropout import Dropout
from gpt_keras.layers.initializers import fresh
from gpt_keras.layers.kv_cache import KVCache
from gpt_keras.layers.normalization import LayerNormalization
from gpt_keras.layers.normalization import RMSNormalization

NORM_ORDERS = ("pre", "post")

NORMS = {
    "layer": LayerNormalization,
    "rms": RMSNormalization,
}


@keras.saving.register_keras_serializable(package="gpt_keras")
class DecoderBlock(keras.layers.Layer):
    """A block of a decoder-only transformer.

    With `norm_order="pre"`: x + attention(norm(x)), then x +
    feed_forward(norm(x)). With `"post"`: norm(x + attention(x)), then
    norm(x + feed_forward(x)), as in Vaswani et al. and GPT-1.

    Args:
        d_model: The width of input and output.
        num_heads: The number of attention heads; divides `d_model`.
        dff: The width of the feed-forward layer.
        rate: Dropout rate of attention weights and of both branches.
        activation: `"relu"`, `"gelu"` (tanh form) or `"relu_squared"`.
        norm_order: `"pre"` or `"post"`.
        norm: `"layer"` or `"rms"`.
        rotary: Turn queries and keys by their positions.
        qk_norm: Normalise queries and keys.
        use_bias: Whether projections and layer norms have biases.
        norm_epsilon: Of every normalisation.
        kernel_initializer: Of the projections into a branch.
        output_initializer: Of the two that end a branch.

    Call arguments:
        x: `(batch, length, d_model)`.
        training: Whether to drop.
        mask: Boolean `(batch, length)`, True where there is a token.
        document_starts: As of `CausalSelfAttention`.

    Raises:
        ValueError: An option is not one of those named above.

    Reference:
        Vaswani et al. 2017, §3.1; Radford et al. 2019, §2.3.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        dff: int,
        rate: float = 0.0,
        *,
        activation: str = "relu",
        norm_order: str = "pre",
        norm: str = "layer",
        rotary: bool = False,
        qk_norm: bool = False,
        use_bias: bool = True,
        norm_epsilon: float = 1e-5,
        kernel_initializer="glorot_uniform",
        output_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_option("activation", activation, ACTIVATIONS)
        check_option("norm_order", norm_order, NORM_ORDERS)
        check_option("norm", norm, NORMS)
        if dff < 1:
            raise ValueError(f"`dff` must be positive. Received: dff={dff}")
        self.d_model = d_model
        self.num_heads = num_heads
        self.dff = dff
        self.rate = rate
        self.activation = activation
        self.norm_order = norm_order
        self.norm = norm
        self.rotary = rotary
        self.qk_norm = qk_norm
        self.use_bias = use_bias
        self.norm_epsilon = norm_epsilon
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.output_initializer = keras.initializers.get(output_initializer)
        self.attention = CausalSelfAttention(
            d_model,
            num_heads,
            rate,
            rotary=rotary,
            qk_norm=qk_norm,
            use_bias=use_bias,
            norm_epsilon=norm_epsilon,
            kernel_initializer=fresh(self.kernel_initializer),
            output_initializer=fresh(self.output_initializer),
            dtype=self.dtype_policy,
            name="attention",
        )
        self.expand = self._dense(dff, self.kernel_initializer, "expand")
        self.contract = self._dense(
            d_model, self.output_initializer, "contract"
        )
        self.attention_norm = self._norm("attention_norm")
        self.feed_forward_norm = self._norm("feed_forward_norm")
        self.attention_dropout = Dropout(rate, dtype=self.dtype_policy)
        self.feed_forward_dropout = Dropout(rate, dtype=self.dtype_policy)
        self.supports_masking = True

    def build(self, input_shape):
        self.attention.build(input_shape)
        self.expand.build(input_shape)
        self.contract.build((*input_shape[:-1], self.dff))
        self.attention_norm.build(input_shape)
        self.feed_forward_norm.build(input_shape)

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
        """Applies the block; arguments and results as the attention's."""

        def attend(y):
            nonlocal cache
            y, cache = self.attention.step(
                y, cache, training, mask, document_starts, shared
            )
            return self.attention_dropout(y, training=training)

        def feed_forward(y):
            y = self.contract(ACTIVATIONS[self.activation](self.expand(y)))
            return self.feed_forward_dropout(y, training=training)

        x = self._residual(x, attend, self.attention_norm)
        x = self._residual(x, feed_forward, self.feed_forward_norm)
        return x, cache

    def attention_weights(self, x, mask=None, document_starts=None):
        """As the attention's, for the block's own `x`."""
        if self.norm_order == "pre":
            x = self.attention_norm(x)
        return self.attention.attention_weights(x, mask, document_starts)

    @property
    def projections(self) -> tuple[AdaptedDense, ...]:
        """The layers with the block's matrices, in the order of the data."""
        attention = self.attention
        return (
            attention.query_key_value,
            attention.output_projection,
            self.expand,
            self.contract,
        )

    def make_cache(self, batch_size, max_length: int) -> KVCache:
        """Returns an empty cache for `max_length` positions."""
        return self.attention.make_cache(batch_size, max_length)

    def _residual(self, x, branch, norm):
        if self.norm_order == "pre":
            return x + branch(norm(x))
        return norm(x + branch(x))

    def _dense(self, units, initializer, name):
        return AdaptedDense(
            units,
            use_bias=self.use_bias,
            kernel_initializer=fresh(initializer),
            dtype=self.dtype_policy,
            name=name,
        )

    def _norm(self, name):
        return make_norm(
            self.norm, self.use_bias, self.norm_epsilon, self.dtype_policy, name
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
            "dff": self.dff,
            "rate": self.rate,
            "activation": self.activation,
            "norm_order": self.norm_order,
            "norm": self.norm,
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


def make_norm(norm: str, use_bias: bool, epsilon: float, dtype, name: str):
    """Returns a normalisation layer of the kind named by `norm`."""
    bias = {"center": use_bias} if norm == "layer" else {}
    return NORMS[norm](epsilon=epsilon, dtype=dtype, name=name, **bias)


def check_option(name: str, value: str, options):
    """Raises ValueError when `value` is not one of `options`."""
    if value not in options:
        raise ValueError(
            f"`{name}` must be one of {list(options)}. Received: "
            f"{name}={value!r}"
        )
