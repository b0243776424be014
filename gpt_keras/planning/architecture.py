"""A configuration in, the sizes and switches of its model out."""

import dataclasses
import math

from gpt_keras.model import GPTModel


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What the size of a model depends on; named as `GPTModel`'s arguments.

    Attributes:
        padded_vocab_size: The rows of the embedding.
        lora_rank: Of the adapters beside the frozen weights; 0: there are
            none, and the weights are trained.
    """

    vocab_size: int
    padded_vocab_size: int
    d_model: int
    num_heads: int
    dff: int
    max_length: int
    num_layers: int
    rate: float
    position: str
    activation: str
    norm_order: str
    norm: str
    qk_norm: bool
    tie_embeddings: bool
    use_bias: bool
    remat: bool
    lora_rank: int = 0

    @property
    def head_dim(self) -> int:
        """The width of a head."""
        return self.d_model // self.num_heads


def architecture_of(config, vocab_size: int) -> Architecture:
    """Returns the sizes of the model that a configuration names.

    What it leaves to `GPTModel` is what `GPTModel` has, and what that refuses
    is refused here. It is asked with one block and without weights, so it
    takes no time at any size.

    Args:
        config: `TrainConfig`.
        vocab_size: Of the tokenizer.

    Raises:
        ValueError: There is no such model.
    """
    arguments = config.model_arguments()
    num_layers = arguments.pop("num_layers")
    if num_layers < 1:
        raise ValueError(
            f"`num_layers` must be positive. Received: num_layers={num_layers}"
        )
    model = GPTModel(
        vocab_size,
        **arguments,
        num_layers=1,
        remat=config.remat,
        dtype=config.dtype,
    )
    names = {field.name for field in dataclasses.fields(Architecture)}
    values = {k: v for k, v in model.get_config().items() if k in names}
    return Architecture(
        **values | {"num_layers": num_layers},
        padded_vocab_size=model.padded_vocab_size,
        lora_rank=config.lora_rank,
    )


@dataclasses.dataclass(frozen=True)
class Parameters:
    """How many numbers the parts of a model consist of.

    Attributes:
        embedding: A row for each id; the output too where it is tied.
        positions: Of learned positions.
        attention: Kernels and biases of all blocks.
        feed_forward: The same.
        norms: Of the blocks, of queries and keys, and the last one.
        projection: Onto the vocabulary, where it isn't tied.
        adapters: Low-rank matrices.
        block_kernels: Of `attention` and `feed_forward`, the matrices.
        largest: Elements of the largest variable that is trained.
    """

    embedding: int
    positions: int
    attention: int
    feed_forward: int
    norms: int
    projection: int
    adapters: int
    block_kernels: int
    largest: int

    @property
    def parts(self) -> dict[str, int]:
        """The parts by name; they add up to `total`."""
        values = dataclasses.asdict(self)
        return {
            name: values[name]
            for name in values
            if name not in ("block_kernels", "largest")
        }

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.parts.values())

    @property
    def trained(self) -> int:
        """Those that change: with adapters, these alone."""
        return self.adapters or self.total


def parameters_of(sizes: Architecture) -> Parameters:
    """Counts a model's parameters without making any."""
    blocks, width, biased = sizes.num_layers, sizes.d_model, sizes.use_bias
    kernels = kernel_shapes(sizes)
    elements = {name: math.prod(shape) for name, shape in kernels.items()}
    biases = {name: biased * shape[1] for name, shape in kernels.items()}
    in_attention = ("query_key_value", "output_projection")
    attention = feed_forward = 0
    for name in kernels:
        count = blocks * (elements[name] + biases[name])
        if name in in_attention:
            attention += count
        else:
            feed_forward += count
    vocabulary = sizes.padded_vocab_size * width
    rank = sizes.lora_rank
    adapters = [rank * (rows + columns) for rows, columns in kernels.values()]
    return Parameters(
        embedding=vocabulary,
        positions=(sizes.position == "learned") * sizes.max_length * width,
        attention=attention,
        feed_forward=feed_forward,
        norms=_norms(sizes),
        projection=(not sizes.tie_embeddings)
        * (vocabulary + biased * sizes.padded_vocab_size),
        adapters=blocks * sum(adapters),
        block_kernels=blocks * sum(elements.values()),
        largest=rank * max(map(max, kernels.values()))
        if rank
        else max(vocabulary, *elements.values()),
    )


def kernel_shapes(sizes: Architecture) -> dict[str, tuple[int, int]]:
    """Returns the shapes of the matrices of a block, by their layers' names."""
    width = sizes.d_model
    return {
        "query_key_value": (width, 3 * width),
        "output_projection": (width, width),
        "expand": (width, sizes.dff),
        "contract": (sizes.dff, width),
    }


def _norms(sizes: Architecture) -> int:
    """Counts scales, and the shifts of layer norms that have biases."""
    vectors = 1 + (sizes.norm == "layer" and sizes.use_bias)
    norms = 2 * sizes.num_layers + (sizes.norm_order == "pre")
    of_queries = 2 * sizes.num_layers * sizes.head_dim * sizes.qk_norm
    return norms * vectors * sizes.d_model + of_queries
