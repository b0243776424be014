"""Tests of `gpt_keras.model` against KerasHub's GPT-2 with equal weights."""

import keras
import keras_nlp
import numpy as np

from gpt_keras import GPTModel

VOCAB_SIZE, WIDTH, HEADS, DFF, LENGTH, LAYERS = 50, 16, 2, 32, 12, 3


def _peer():
    keras.utils.set_random_seed(1)
    peer = keras_nlp.models.GPT2Backbone(
        vocabulary_size=VOCAB_SIZE,
        num_layers=LAYERS,
        num_heads=HEADS,
        hidden_dim=WIDTH,
        intermediate_dim=DFF,
        max_sequence_length=LENGTH,
        dropout=0.0,
    )
    rng = np.random.default_rng(0)
    peer.set_weights(
        [rng.normal(size=w.shape, scale=0.3) for w in peer.get_weights()]
    )
    return peer


def _with_weights_of(peer):
    model = GPTModel(
        VOCAB_SIZE,
        WIDTH,
        HEADS,
        DFF,
        LENGTH,
        0.0,
        num_layers=LAYERS,
        position="learned",
        activation="gelu",
        tie_embeddings=True,
        scale_embeddings=False,
    )
    model.build((None, None))
    model.embedding.set_weights(peer.get_layer("token_embedding").get_weights())
    model.positional_encoding.set_weights(
        peer.get_layer("position_embedding").get_weights()
    )
    for index, block in enumerate(model.blocks):
        _copy_block(peer.get_layer(f"transformer_layer_{index}"), block)
    model.final_norm.set_weights(peer.get_layer("layer_norm").get_weights())
    return model


def _copy_block(theirs, ours):
    weights = {
        "/".join(w.path.split("/")[1:]): np.array(w) for w in theirs.weights
    }
    attention = "self_attention/"
    kernels = [
        weights[f"{attention}{name}/kernel"].reshape(WIDTH, WIDTH)
        for name in ("query", "key", "value")
    ]
    biases = [
        weights[f"{attention}{name}/bias"].reshape(WIDTH)
        for name in ("query", "key", "value")
    ]
    ours.attention.query_key_value.set_weights(
        [np.concatenate(kernels, -1), np.concatenate(biases)]
    )
    ours.attention.output_projection.set_weights(
        [
            weights[f"{attention}attention_output/kernel"].reshape(WIDTH, -1),
            weights[f"{attention}attention_output/bias"],
        ]
    )
    for layer, name, parts in (
        (ours.attention_norm, "self_attention_layer_norm", ("gamma", "beta")),
        (ours.feed_forward_norm, "feedforward_layer_norm", ("gamma", "beta")),
        (ours.expand, "feedforward_intermediate_dense", ("kernel", "bias")),
        (ours.contract, "feedforward_output_dense", ("kernel", "bias")),
    ):
        layer.set_weights([weights[f"{name}/{part}"] for part in parts])


def test_the_last_states_equal_kerashubs_gpt2():
    peer = _peer()
    model = _with_weights_of(peer)
    ids = np.random.default_rng(2).integers(0, VOCAB_SIZE, (3, LENGTH))
    theirs = peer({"token_ids": ids, "padding_mask": np.ones_like(ids)})
    ours, _ = model.hidden_states(ids)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)
    logits = peer.token_embedding(theirs, reverse=True)
    np.testing.assert_allclose(model(ids), logits, atol=2e-4)
