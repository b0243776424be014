"""One batch in, one exact training or evaluation step out (TensorFlow).

The loss of a step is the mean over every token of the *global* batch, however
the tokens are spread over the replicas, so that 1 and N replicas walk the same
way.
"""

import keras
import tensorflow as tf

from gpt_keras.training.gradients import all_reduce_sum
from gpt_keras.training.gradients import apply_gradients
from gpt_keras.training.loss import mean_over
from gpt_keras.training.loss import weighted_token_losses


def train_step(model, data):
    """Trains `model` on this replica's part of a batch; returns its logs."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    with tf.GradientTape() as tape:
        loss, y_pred = _forward(model, x, y, sample_weight, training=True)
        loss = model.optimizer.scale_loss(loss)
    variables = model.trainable_weights
    if variables:
        gradients = tape.gradient(loss, variables)
        apply_gradients(model.optimizer, gradients, variables)
    return model.compute_metrics(x, y, y_pred, sample_weight)


def test_step(model, data):
    """Evaluates `model` on this replica's part of a batch."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    _, y_pred = _forward(model, x, y, sample_weight, training=False)
    return model.compute_metrics(x, y, y_pred, sample_weight)


def _forward(model, x, y, sample_weight, training):
    """Returns the loss whose gradients the replicas sum, and the outputs."""
    y_pred = model(x, training=training)
    if model.loss is not None:
        # Keras divides a mean by the number of replicas, so that their sum is
        # the mean of the global batch.
        loss = model.compute_loss(x, y, y_pred, sample_weight, training)
        _track(model, loss, tf.cast(tf.shape(y_pred)[0], tf.float32))
        return loss, y_pred
    losses, weights = weighted_token_losses(y_pred, y, sample_weight)
    weight = tf.reduce_sum(weights)
    loss = mean_over(tf.reduce_sum(losses), all_reduce_sum(weight))
    _track(model, loss, weight)
    return loss, y_pred


def _track(model, loss, weight):
    """Adds the global loss to the epoch's mean, equally on every replica.

    What a replica returns from its step is what `fit` logs for the batch, so
    each must know the loss of all.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    loss, weight = all_reduce_sum([loss, weight])
    model._loss_tracker.update_state(loss, sample_weight=weight / replicas)
