"""A GPT-2-shaped model and the name of a format in, its variables by the
names of that format out.
"""

import operator

FORMATS = ("hugging_face", "openai", "keras_hub")
# Hugging Face's names of what may be tied.
EMBEDDING, HEAD = "wte.weight", "lm_head.weight"

# Ours, Hugging Face's, OpenAI's, KerasHub's name of each layer. Layouts:
#
# * Hugging Face: as ours (its Conv1D keeps (inputs, outputs)), but for the
#   head, which is transposed.
# * OpenAI: kernels are convolutions of width 1, (1, inputs, outputs).
# * KerasHub: query, key and value apart, each (d_model, num_heads, head_dim),
#   and attention_output (num_heads, head_dim, d_model).
_BLOCK = """
attention_norm            ln_1        ln_1        self_attention_layer_norm
attention.query_key_value attn.c_attn attn/c_attn self_attention/query_key_value
attention.output_projection attn.c_proj attn/c_proj \
self_attention/attention_output
feed_forward_norm         ln_2        ln_2        feedforward_layer_norm
expand                    mlp.c_fc    mlp/c_fc    feedforward_intermediate_dense
contract                  mlp.c_proj  mlp/c_proj  feedforward_output_dense
"""
_PREFIXES = ("blocks", "h.{}.", "h{}/", "transformer_layer_{}/")
# Ours, Hugging Face's, OpenAI's, KerasHub's name of each variable of a layer.
_NORM = (("gamma", "weight", "g", "gamma"), ("beta", "bias", "b", "beta"))
_DENSE = (("kernel", "weight", "w", "kernel"), ("bias", "bias", "b", "bias"))
_EMBEDDINGS = (
    ("embedding.embeddings", EMBEDDING, "wte", "token_embedding/embeddings"),
    (
        "positional_encoding.table",
        "wpe.weight",
        "wpe",
        "position_embedding/embeddings",
    ),
)
_FINAL_NORM = ("final_norm", "ln_f", "ln_f", "layer_norm")
_SEPARATORS = (".", ".", "/", "/")


def named_variables(model, format: str) -> dict:
    """Gives each variable of a model its name in another format.

    Args:
        model: A built `GPTModel` that the format can express.
        format: One of `FORMATS`.

    Returns:
        The model's variables by name. The bias of an untied head, which the
        formats don't have, is not among them.
    """
    column = 1 + FORMATS.index(format)
    found = {row[column]: _variable(model, row[0]) for row in _EMBEDDINGS}
    rows = [row.split() for row in _BLOCK.strip().splitlines()]
    for index, block in enumerate(model.blocks):
        prefix = _PREFIXES[column].format(index)
        for row in rows:
            for names in _variables_of(row):
                found[prefix + names[column]] = _variable(block, names[0])
    for names in _variables_of(_FINAL_NORM):
        found[names[column]] = _variable(model, names[0])
    if not model.tie_embeddings:
        found[HEAD] = model.final_layer.kernel
    return found


def _variables_of(layer):
    """Yields the names of each variable of a layer, ours first."""
    for parts in _NORM if layer[0].endswith("norm") else _DENSE:
        yield [
            name + separator + part
            for name, separator, part in zip(
                layer, _SEPARATORS, parts, strict=True
            )
        ]


def _variable(owner, path: str):
    return operator.attrgetter(path)(owner)
