"""Where a token stands: added to its embedding, or turned into its query."""

import keras
from keras import ops

KINDS = ("sinusoidal", "learned")


@keras.saving.register_keras_serializable(package="gpt_keras")
class PositionalEncoding(keras.layers.Layer):
    """Adds to each embedding a vector for its position.

    `"sinusoidal"` adds the fixed waves of Vaswani et al.: sine at the even
    features, cosine at the odd ones, wavelengths from 2π to 10000·2π.
    `"learned"` adds a trained row for each position, as GPT-2 does.

    Args:
        max_length: The number of positions.
        d_model: The width of the embeddings.
        kind: `"sinusoidal"` or `"learned"`.
        initializer: Of the learned table.

    Call arguments:
        x: `(batch, length, d_model)`, embeddings.
        start: `(batch,)` int32, the place of each row's first embedding;
            None means 0.
        document_starts: `(batch, length)` int32, the place from which each
            embedding's position is counted; None means 0.

    Raises:
        ValueError: `kind` is unknown, a size is not positive, or `length`
            exceeds `max_length`.

    Example:

    >>> layer = PositionalEncoding(max_length=64, d_model=16)
    >>> layer(keras.ops.zeros((2, 10, 16))).shape
    (2, 10, 16)

    Reference:
        Vaswani et al. 2017, Attention Is All You Need, §3.5.
    """

    def __init__(
        self,
        max_length: int,
        d_model: int,
        kind: str = "sinusoidal",
        initializer="random_normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if kind not in KINDS:
            raise ValueError(f"`kind` must be one of {KINDS}. Received: {kind}")
        if max_length < 1 or d_model < 1:
            raise ValueError(
                "`max_length` and `d_model` must be positive. Received: "
                f"max_length={max_length}, d_model={d_model}"
            )
        self.max_length = max_length
        self.d_model = d_model
        self.kind = kind
        self.initializer = keras.initializers.get(initializer)
        self.supports_masking = True

    def build(self, input_shape):
        if self.kind == "learned":
            self.table = self.add_weight(
                name="table",
                shape=(self.max_length, self.d_model),
                initializer=self.initializer,
                autocast=False,
            )

    def call(self, x, start=None, document_starts=None):
        length = ops.shape(x)[1]
        if isinstance(length, int) and length > self.max_length:
            raise ValueError(
                "A sequence must not be longer than `max_length`. Received: "
                f"length={length}, max_length={self.max_length}"
            )
        rows = self._rows(length, start, document_starts)
        return x + ops.cast(rows, x.dtype)

    def _rows(self, length, start, document_starts):
        """Returns the encoding, `(length, d_model)` or one for each row."""
        if self.kind == "learned" and start is None and document_starts is None:
            return self.table[:length]
        positions = token_positions(length, start, document_starts)
        if self.kind == "learned":
            return ops.take(self.table, positions, axis=0)
        return sinusoid(positions, self.d_model)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "max_length": self.max_length,
            "d_model": self.d_model,
            "kind": self.kind,
            "initializer": keras.initializers.serialize(self.initializer),
        }


def token_positions(length, start=None, document_starts=None):
    """Returns the positions of tokens, `(length,)` or `(batch, length)` int32.

    Args:
        length: The number of tokens.
        start: `(batch,)`, the place of each row's first token; None means 0.
        document_starts: `(batch, length)`, the place from which each token's
            position is counted; None means 0.
    """
    positions = ops.arange(length, dtype="int32")
    if start is not None:
        positions = start[:, None] + positions[None]
    return positions if document_starts is None else positions - document_starts


def sinusoid(positions, d_model: int):
    """Returns waves at `positions`, `(..., d_model)` float32.

    Reference:
        Vaswani et al. 2017, §3.5: PE(pos, 2i) = sin(pos / 10000^(2i/d_model)),
        PE(pos, 2i+1) = cos(pos / 10000^(2i/d_model)).
    """
    half = (d_model + 1) // 2
    exponents = ops.arange(half, dtype="float32") * (2.0 / d_model)
    frequencies = ops.power(10000.0, -exponents)
    angles = ops.cast(positions, "float32")[..., None] * frequencies
    waves = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)
    waves = ops.reshape(waves, (*ops.shape(angles)[:-1], 2 * half))
    return waves[..., :d_model]


def rotation(positions, head_dim: int):
    """Returns by what `rotate` turns: sine and cosine, in float32.

    Args:
        positions: `(length,)` or `(batch, length)`.
        head_dim: The width of queries and keys, even.

    Returns:
        Two tensors `(length, head_dim / 2)` or
        `(batch, 1, length, head_dim / 2)`.
    """
    half = head_dim // 2
    exponents = ops.arange(half, dtype="float32") / half
    frequencies = ops.power(10000.0, -exponents)
    angles = ops.cast(positions, "float32")[..., None] * frequencies
    if len(positions.shape) == 2:
        angles = angles[:, None]
    return ops.sin(angles), ops.cos(angles)


def rotate(x, turn):
    """Turns queries or keys by an angle that grows with their position.

    Args:
        x: `(batch, num_heads, length, head_dim)`, `head_dim` even. Feature i
            is paired with feature i + head_dim / 2.
        turn: From `rotation`.

    Returns:
        The same shape and dtype; it is computed in float32.

    Reference:
        Su et al. 2021, RoFormer, §3.2.2.
    """
    sin, cos = turn
    left, right = ops.split(ops.cast(x, "float32"), 2, axis=-1)
    turned = ops.concatenate(
        [left * cos - right * sin, left * sin + right * cos], axis=-1
    )
    return ops.cast(turned, x.dtype)
