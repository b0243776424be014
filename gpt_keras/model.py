"""The GPT: token ids in, logits out, and the step that trains it."""

import random

import keras
from keras import ops

# What a saved model names is found only once it is registered.
import gpt_keras.training.optimizers  # noqa: F401
from gpt_keras.layers.decoder_block import NORMS
from gpt_keras.layers.decoder_block import DecoderBlock
from gpt_keras.layers.decoder_block import check_option
from gpt_keras.layers.decoder_block import make_norm
from gpt_keras.layers.documents import document_starts
from gpt_keras.layers.dropout import Dropout
from gpt_keras.layers.dropout import draw_seeds
from gpt_keras.layers.dropout import fixed_seeds
from gpt_keras.layers.few_rows import table_product
from gpt_keras.layers.initializers import fresh
from gpt_keras.layers.positional_encoding import KINDS
from gpt_keras.layers.positional_encoding import PositionalEncoding
from gpt_keras.layers.projection import Projection
from gpt_keras.layers.token_checks import check_length
from gpt_keras.layers.token_checks import check_token_ids
from gpt_keras.training.exact_trainer import ExactTrainer
from gpt_keras.training.loss import mean_over
from gpt_keras.training.loss import weighted_token_losses

POSITIONS = (*KINDS, "rotary")


@keras.saving.register_keras_serializable(package="gpt_keras")
class GPTModel(ExactTrainer, keras.Model):
    """A decoder-only transformer that predicts the next token.

    Embedding, positions, `num_layers` decoder blocks, a last normalisation
    (with `norm_order="pre"`) and a projection onto the vocabulary. The
    defaults are Vaswani et al.'s choices in a causal pre-norm decoder; the
    keywords reach GPT-2 (`position="learned"`, `activation="gelu"`,
    `tie_embeddings=True`, `scale_embeddings=False`) and later recipes.

    `compile()` needs no loss: without one, the model is trained on the mean
    cross-entropy over every token of the global batch that has weight.

    Args:
        vocab_size: The number of token ids.
        d_model: The width of embeddings and blocks.
        num_heads: The number of attention heads; divides `d_model`.
        dff: The width of the feed-forward layers.
        max_length: The longest sequence, in tokens.
        rate: Dropout rate, `0 <= rate < 1`.
        num_layers: The number of blocks.
        position: `"sinusoidal"`, `"learned"` or `"rotary"`.
        activation: `"relu"`, `"gelu"` (tanh form) or `"relu_squared"`.
        norm_order: `"pre"` or `"post"`.
        norm: `"layer"` or `"rms"`.
        qk_norm: Normalise queries and keys.
        tie_embeddings: Project onto the vocabulary by the embeddings.
        scale_embeddings: Multiply embeddings by √d_model.
        use_bias: Whether projections and layer norms have biases.
        norm_epsilon: Of every normalisation.
        initializer_stddev: Of the normal initialiser. Projections that end a
            residual branch start smaller by √(2 num_layers), as in GPT-2.
        zero_init_residual: Those projections start as zeros instead: a new
            model is its embeddings alone, and each block grows into it.
        vocab_multiple: Embeddings and projection get rows of padding, up to a
            multiple of this, which is faster on some devices (64 for GPT-2's
            50257). Nobody sees them: there are no ids, and no logits, beyond
            `vocab_size`.
        remat: Compute the activations of each block again in the backward
            pass instead of keeping them (Chen et al. 2016): the same
            gradients for less memory and a third more work.
        document_separator_id: The token that begins a document, one that no
            text has (a tokenizer's `end_of_text_id`). Tokens then see those
            of their own document alone, and positions begin anew in each,
            so that documents in one window are read as if each were alone.
            None: a window is one document.

    Call arguments:
        x: `(batch, length)` integers, token ids.
        training: Whether to drop. Keras takes it by keyword only.
        mask: Boolean `(batch, length)`, True where there is a token. None
            means everywhere. A separator where it is False begins nothing.

    Returns of the call: logits `(batch, length, vocab_size)`, float32 under
    every dtype policy.

    Raises:
        ValueError: An option is not one of those named above, a size is not
            positive, or a sequence is longer than `max_length`.
        ValueError: An id is outside of [0, vocab_size). In a graph it is
            TensorFlow's InvalidArgumentError; XLA can't raise.

    Example:

    >>> model = GPTModel(100, 32, 4, 64, max_length=16, num_layers=2)
    >>> model(np.array([[1, 2, 3]])).shape
    (1, 3, 100)

    Reference:
        Radford et al. 2019, Language Models are Unsupervised Multitask
        Learners, §2.3.
    """

    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        num_heads: int,
        dff: int,
        max_length: int,
        rate: float = 0.1,
        *,
        num_layers: int = 12,
        position: str = "sinusoidal",
        activation: str = "relu",
        norm_order: str = "pre",
        norm: str = "layer",
        qk_norm: bool = False,
        tie_embeddings: bool = False,
        scale_embeddings: bool = True,
        use_bias: bool = True,
        norm_epsilon: float = 1e-5,
        initializer_stddev: float = 0.02,
        zero_init_residual: bool = False,
        vocab_multiple: int = 1,
        remat: bool = False,
        document_separator_id: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_option("position", position, POSITIONS)
        check_option("norm", norm, NORMS)
        _check_positive(
            vocab_size=vocab_size,
            num_layers=num_layers,
            max_length=max_length,
            vocab_multiple=vocab_multiple,
        )
        _check_separator(document_separator_id, vocab_size)
        self.vocab_size = vocab_size
        self.d_model = d_model
        self.num_heads = num_heads
        self.dff = dff
        self.max_length = max_length
        self.rate = rate
        self.num_layers = num_layers
        self.position = position
        self.activation = activation
        self.norm_order = norm_order
        self.norm = norm
        self.qk_norm = qk_norm
        self.tie_embeddings = tie_embeddings
        self.scale_embeddings = scale_embeddings
        self.use_bias = use_bias
        self.norm_epsilon = norm_epsilon
        self.initializer_stddev = initializer_stddev
        self.zero_init_residual = zero_init_residual
        self.vocab_multiple = vocab_multiple
        self.remat = remat
        self.document_separator_id = document_separator_id
        self.supports_masking = True
        self._make_layers()

    @property
    def padded_vocab_size(self) -> int:
        """The number of rows of the embedding, padding included."""
        return -(-self.vocab_size // self.vocab_multiple) * self.vocab_multiple

    def _make_layers(self):
        normal = keras.initializers.RandomNormal(stddev=self.initializer_stddev)
        ending = keras.initializers.RandomNormal(
            stddev=self.initializer_stddev / (2 * self.num_layers) ** 0.5
        )
        if self.zero_init_residual:
            ending = keras.initializers.Zeros()
        self.embedding = keras.layers.Embedding(
            self.padded_vocab_size,
            self.d_model,
            embeddings_initializer=fresh(normal),
            dtype=self.dtype_policy,
            name="embedding",
        )
        if self.position in KINDS:
            self.positional_encoding = PositionalEncoding(
                self.max_length,
                self.d_model,
                self.position,
                initializer=fresh(normal),
                dtype=self.dtype_policy,
                name="positional_encoding",
            )
        self.dropout = Dropout(
            self.rate, dtype=self.dtype_policy, name="dropout"
        )
        self.blocks = [
            DecoderBlock(
                self.d_model,
                self.num_heads,
                self.dff,
                self.rate,
                activation=self.activation,
                norm_order=self.norm_order,
                norm=self.norm,
                rotary=self.position == "rotary",
                qk_norm=self.qk_norm,
                use_bias=self.use_bias,
                norm_epsilon=self.norm_epsilon,
                kernel_initializer=fresh(normal),
                output_initializer=fresh(ending),
                dtype=self.dtype_policy,
                name=f"block_{index}",
            )
            for index in range(self.num_layers)
        ]
        if self.norm_order == "pre":
            self.final_norm = make_norm(
                self.norm,
                self.use_bias,
                self.norm_epsilon,
                self.dtype_policy,
                "final_norm",
            )
        if not self.tie_embeddings:
            self.final_layer = keras.layers.Dense(
                self.padded_vocab_size,
                use_bias=self.use_bias,
                kernel_initializer=fresh(normal),
                dtype=self.dtype_policy,
                name="final_layer",
            )

    def build(self, input_shape):
        hidden_shape = (*input_shape, self.d_model)
        self.embedding.build(input_shape)
        if self.position in KINDS:
            self.positional_encoding.build(hidden_shape)
        self.dropout.build(hidden_shape)
        for block in self.blocks:
            block.build(hidden_shape)
        if self.norm_order == "pre":
            self.final_norm.build(hidden_shape)
        if not self.tie_embeddings:
            self.final_layer.build(hidden_shape)

    def call(self, x, training=None, mask=None):
        return self.step(self._checked(x), training=training, mask=mask)[0]

    def step(self, x, cache=None, training=None, mask=None):
        """Runs the model on new tokens behind those in the cache.

        Args:
            x: `(batch, length)` integers, the new token ids.
            cache: What `make_cache` or an earlier step gave, or None.
            training: Whether to drop.
            mask: Boolean `(batch, length)`, True where there is a token. With
                a cache, the tokens of a row must stand at its left.

        Returns:
            Logits `(batch, length, vocab_size)` in float32, and the cache
            with the new tokens (None without one).
        """
        hidden, cache = self.hidden_states(x, cache, training, mask)
        return self.logits(hidden), cache

    def hidden_states(self, x, cache=None, training=None, mask=None):
        """As `step`, but gives the last states `(batch, length, d_model)`.

        For those who need logits at a few positions only: give these states
        to `logits`.
        """
        again = self.remat and training and cache is None
        step = _step_computed_again if again else _step
        return self._hidden_states(step, x, cache, training, mask)

    def attention_weights(self, x, mask=None, layers=None):
        """Returns what each position gathers from which, without dropout.

        It is the forward pass, and looks into each block on the way.

        Args:
            x: `(batch, length)` integers, token ids.
            mask: Boolean `(batch, length)`, True where there is a token.
            layers: Indexes of the blocks to look into, all by default. All of
                GPT-2's smallest take 600 MB at 1,024 positions.

        Returns:
            `(layers, batch, num_heads, length, length)` float32 under every
            dtype policy. A row is a position that looks; its columns, those
            looked at, sum to 1.

        Raises:
            ValueError: As the call.
        """
        x = self._checked(ops.convert_to_tensor(x, dtype="int32"))
        wanted = range(self.num_layers) if layers is None else layers
        wanted = [self.blocks[index] for index in wanted]
        weights = {}

        def step(block, x, cache, training, mask, starts, shared):
            if block in wanted:
                weights[block.name] = block.attention_weights(x, mask, starts)
            return _step(block, x, cache, training, mask, starts, shared)

        self._hidden_states(step, x, cache=None, training=False, mask=mask)
        return ops.stack([weights[block.name] for block in wanted])

    def _checked(self, x):
        check_length(x.shape[1], self.max_length)
        return check_token_ids(x, self.vocab_size, self.max_length)

    def _hidden_states(self, step, x, cache, training, mask):
        """Runs embedding, blocks, each by `step`, and last normalisation."""
        if not self.built:
            self.build((None, None))
        starts = self._document_starts(x, cache, mask)
        x = self.embedding(x)
        if self.scale_embeddings:
            x = x * self.d_model**0.5
        if self.position in KINDS:
            start = None if cache is None else cache[0].lengths
            x = self.positional_encoding(x, start=start, document_starts=starts)
        x = self.dropout(x, training=training)
        first = None if cache is None else cache[0]
        shared = self.blocks[0].attention.share_step(x, first, mask, starts)
        masks = (mask, starts, shared)
        caches = []
        for index, block in enumerate(self.blocks):
            block_cache = None if cache is None else cache[index]
            x, block_cache = step(block, x, block_cache, training, *masks)
            caches.append(block_cache)
        if self.norm_order == "pre":
            x = self.final_norm(x)
        return x, None if cache is None else tuple(caches)

    def _document_starts(self, x, cache, mask):
        """Returns where each token's document begins, None for one only."""
        if self.document_separator_id is None:
            return None
        return document_starts(
            x,
            self.document_separator_id,
            self.max_length,
            mask=mask,
            cache=None if cache is None else cache[0],
        )

    def logits(self, hidden):
        """Projects states `(..., d_model)` onto the vocabulary, in float32."""
        if self.tie_embeddings:
            weights = ops.cast(self.embedding.embeddings, hidden.dtype)
            logits = table_product(hidden, weights)
        else:
            logits = self.final_layer(hidden)
        if self.padded_vocab_size > self.vocab_size:
            logits = logits[..., : self.vocab_size]
        return ops.cast(logits, "float32")

    def projection(self) -> Projection:
        """Returns what `logits` projects by, for a loss that does without."""
        if self.tie_embeddings:
            kernel, bias = self.embedding.embeddings, None
        else:
            kernel, bias = self.final_layer.kernel, self.final_layer.bias
        return Projection(
            kernel,
            bias,
            transposed=self.tie_embeddings,
            vocab_size=self.vocab_size,
            trainable=kernel.trainable,
        )

    def make_cache(self, batch_size, max_length: int | None = None):
        """Returns an empty cache, a tuple with one `KVCache` per block.

        Args:
            batch_size: The number of rows; in a graph it may be a tensor.
            max_length: The number of positions with room, `self.max_length`
                by default.
        """
        if max_length is None:
            max_length = self.max_length
        caches = [
            block.make_cache(batch_size, max_length) for block in self.blocks
        ]
        if self.document_separator_id is not None:
            starts = ops.zeros((batch_size,), dtype="int32")
            caches = [
                cache._replace(document_starts=starts) for cache in caches
            ]
        return tuple(caches)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Returns the compiled loss, or else the mean over all tokens."""
        if self.loss is not None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        losses, weights = weighted_token_losses(y_pred, y, sample_weight)
        return mean_over(ops.sum(losses), ops.sum(weights)) + sum(self.losses)

    def compute_mask(self, inputs, mask=None):
        return None  # or Keras would multiply the mask into the loss

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.vocab_size)

    def compute_output_spec(self, x, training=None, mask=None):
        check_length(x.shape[1], self.max_length)
        # Logits are float32 even where the policy computes in 16 bits.
        return keras.KerasTensor((*x.shape, self.vocab_size), dtype="float32")

    def summary(self, *args, **kwargs):
        """As `keras.Model.summary`, before the model is built too.

        Shapes and counts are then those it will have: nothing is built.
        """
        if self.built:
            return super().summary(*args, **kwargs)
        return _without_weights(self).summary(*args, **kwargs)

    def get_config(self):
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "vocab_size": self.vocab_size,
            "d_model": self.d_model,
            "num_heads": self.num_heads,
            "dff": self.dff,
            "max_length": self.max_length,
            "rate": self.rate,
            "num_layers": self.num_layers,
            "position": self.position,
            "activation": self.activation,
            "norm_order": self.norm_order,
            "norm": self.norm,
            "qk_norm": self.qk_norm,
            "tie_embeddings": self.tie_embeddings,
            "scale_embeddings": self.scale_embeddings,
            "use_bias": self.use_bias,
            "norm_epsilon": self.norm_epsilon,
            "initializer_stddev": self.initializer_stddev,
            "zero_init_residual": self.zero_init_residual,
            "vocab_multiple": self.vocab_multiple,
            "remat": self.remat,
            "document_separator_id": self.document_separator_id,
        }


def _without_weights(model: GPTModel) -> GPTModel:
    """Returns a copy that is built, but for the values of its weights."""
    state = random.getstate()  # Keras draws seeds from it
    try:
        with keras.StatelessScope(initialize_variables=False):
            copy = GPTModel.from_config(model.get_config())
            copy.build((None, model.max_length))
    finally:
        random.setstate(state)
    return copy


def _step(block, x, cache, training, *masks):
    return block.step(x, cache, training, *masks)


def _step_computed_again(block, x, cache, training, *masks):
    """Applies a block without keeping its activations for the gradients."""
    # Drawn outside: the second forward pass must drop what the first dropped.
    seeds = draw_seeds(block)

    def forward(x):
        with fixed_seeds(seeds):
            return block.step(x, None, training, *masks)[0]

    return keras.remat(forward)(x), None


def _check_separator(token_id, vocab_size: int):
    if token_id is None:
        return
    is_integer = isinstance(token_id, int) and not isinstance(token_id, bool)
    if not (is_integer and 0 <= token_id < vocab_size):
        raise ValueError(
            f"`document_separator_id` must be a token id in [0, vocab_size="
            f"{vocab_size}), or None. Received: "
            f"document_separator_id={token_id!r}"
        )


def _check_positive(**sizes: int):
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(
                f"`{name}` must be positive. Received: {name}={size}"
            )
