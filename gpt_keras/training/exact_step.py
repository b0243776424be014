"""One batch in, one exact training or evaluation step out (TensorFlow).

The loss of a step is the mean over every token of the *global* batch, however
the tokens are spread over replicas and microbatches, so that 1 and N replicas
walk the same way.
"""

import keras
import tensorflow as tf

from gpt_keras.layers.dropout import draw_seeds
from gpt_keras.layers.dropout import fixed_seeds
from gpt_keras.layers.dropout import fold_in
from gpt_keras.layers.token_checks import check_token_ids
from gpt_keras.training.chunked_loss import default_chunk_tokens
from gpt_keras.training.chunked_loss import weighted_loss_sum
from gpt_keras.training.gradients import all_reduce_sum
from gpt_keras.training.gradients import apply_gradients
from gpt_keras.training.gradients import build_optimizer
from gpt_keras.training.gradients import dense
from gpt_keras.training.loss import mean_over
from gpt_keras.training.loss import token_weights
from gpt_keras.training.loss import weighted_token_losses
from gpt_keras.training.microbatches import sum_over_microbatches


def train_step(model, data):
    """Trains `model` on this replica's part of a batch.

    Args:
        model: A `GPTModel`, compiled.
        data: `(token_ids, labels)`, or with `sample_weight`.

    Returns:
        The metrics, `gradient_norm`, and `skipped_steps`: how many steps of
        the run were left out.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    state = model.step_state  # which builds the model, if need be
    variables = model.trainable_weights
    build_optimizer(model.optimizer, variables)
    scale = model.optimizer.scale_loss(1.0)
    x, y, factors, weight = _prepare(model, x, y, sample_weight, scale)
    objective, gradients, y_pred = _compute_gradients(
        model, variables, x, y, factors, scale
    )
    loss = all_reduce_sum(objective) / scale

    def update(loss, gradients):
        return apply_gradients(
            model.optimizer, gradients, variables, loss, state
        )

    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    compiled = _compiled(model, update) if replicas == 1 else update
    accepted, norm = compiled(loss, gradients)
    _track(
        model, tf.where(accepted, loss, 0.0), tf.where(accepted, weight, 0.0)
    )
    return {
        **model.compute_metrics(x, y, y_pred, sample_weight),
        "gradient_norm": norm,
        "skipped_steps": tf.cast(state.num_skipped, tf.float32),
    }


def test_step(model, data):
    """Evaluates `model` on this replica's part of a batch."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    x, y, factors, weight = _prepare(model, x, y, sample_weight, 1.0)

    def evaluate(x, y, factors):
        return _objective(model, x, y, factors, 1.0, training=False)

    objective, y_pred = _compiled(model, evaluate)(x, y, factors)
    _track(model, all_reduce_sum(objective), weight)
    return model.compute_metrics(x, y, y_pred, sample_weight)


def _prepare(model, x, y, sample_weight, scale):
    """Checks a batch; outside of what XLA compiles, where nothing can raise.

    Returns:
        Token ids, labels, the factors of the token losses in the objective
        `(batch, length)`, and this replica's weight in the mean of the epoch.
        With a loss of the user's own the factors are `sample_weight`.
    """
    x = check_token_ids(x, model.vocab_size, model.max_length)
    if model.has_own_loss:
        return x, y, sample_weight, tf.cast(tf.shape(x)[0], tf.float32)
    if y is None:
        raise ValueError(
            "Without a loss of your own `fit` needs labels: (token_ids, "
            "labels) or (token_ids, labels, sample_weight). Received: "
            "token_ids alone"
        )
    weights = token_weights(y, sample_weight)
    y = check_token_ids(
        tf.where(weights == 0, tf.zeros_like(y), y),
        model.vocab_size,
        model.max_length,
        name="labels",
    )
    weight = tf.reduce_sum(weights)
    factors = mean_over(weights * scale, all_reduce_sum(weight))
    return x, y, factors, weight


def _compute_gradients(model, variables, x, y, factors, scale):
    """Returns objective, gradients and outputs of this replica's rows."""
    # Outside: XLA can't draw on several replicas.
    seeds = draw_seeds(model)

    def part(batch, index):
        x, y, factors = batch
        with fixed_seeds(fold_in(seeds, index)), tf.GradientTape() as tape:
            share = scale / model.step_options.microbatches
            objective, outputs = _objective(
                model, x, y, factors, share, training=True
            )
        gradients = dense(tape.gradient(objective, variables))
        return objective, gradients, outputs

    def whole(x, y, factors):
        return sum_over_microbatches(
            part,
            (x, y, factors),
            model.step_options.microbatches,
            variables,
            model.needs_logits,
        )

    return _compiled(model, whole)(x, y, factors)


def _objective(model, x, y, factors, share, training):
    """Returns what replicas and microbatches sum, and logits where needed.

    Args:
        model: A `GPTModel`.
        x: Token ids `(batch, length)`.
        y: Labels `(batch, length)`.
        factors: See `_prepare`.
        share: What a penalty of the layers is multiplied by.
        training: Whether to drop, and to prepare gradients.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if model.has_own_loss:
        y_pred = model(x, training=training)
        # Keras divides a mean by the number of replicas, so that their sum is
        # the mean of the global batch.
        loss = model.compute_loss(x, y, y_pred, factors, training)
        return loss * share, y_pred
    if model.needs_logits:
        y_pred = model(x, training=training)
        smoothing = model.step_options.label_smoothing if training else 0.0
        losses, _ = weighted_token_losses(y_pred, y, factors, smoothing)
        loss = tf.reduce_sum(losses)
    else:
        y_pred = None
        loss = _loss_without_logits(model, x, y, factors, training)
    return loss + sum(model.losses) * share / replicas, y_pred


def _loss_without_logits(model, x, y, factors, training):
    hidden, _ = model.hidden_states(x, training=training)
    chunk_tokens = model.step_options.chunk_tokens
    if chunk_tokens is None:
        chunk_tokens = default_chunk_tokens(model.vocab_size)
    return weighted_loss_sum(
        hidden,
        model.projection(),
        y,
        factors,
        chunk_tokens=chunk_tokens,
        label_smoothing=model.step_options.label_smoothing if training else 0.0,
        with_gradients=training,
    )


def _compiled(model, function):
    """Returns the function, compiled by XLA if the user wants that."""
    if not model.step_options.jit_compile:
        return function
    return tf.function(function, jit_compile=True, autograph=False)


def _track(model, loss, weight):
    """Adds the global loss to the epoch's mean, equally on every replica.

    What a replica returns from its step is what `fit` logs for the batch, so
    each must know the loss of all.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    weight = all_reduce_sum(weight) / replicas
    model._loss_tracker.update_state(loss, sample_weight=weight)
