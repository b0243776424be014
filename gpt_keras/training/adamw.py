"""Gradients in, AdamW's steps out, with weight decay on matrices only."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="gpt_keras")
class MatrixAdamW(keras.optimizers.AdamW):
    """AdamW whose weight decay leaves vectors (biases and norms) alone.

    What `exclude_from_weight_decay` is told doesn't outlive a save of the
    stock optimizer: its vectors decay after loading. Here the choice is the
    class's own, made out of the shapes. Whatever decays takes stock AdamW's
    steps, but for rounding: TensorFlow has an op that goes over weights, slots
    and gradients once, where Keras' own goes over them a dozen times and keeps
    as much beside them as several weights. On one replica it also takes one
    variable after the other, and scales a gradient by `global_clipnorm` when
    its turn has come: Keras has scaled copies of all of them at once.

    Args:
        **kwargs: As `keras.optimizers.AdamW`. `weight_decay=0.0` for none.

    Reference:
        Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization; which
        variables decay: Radford et al. 2018, §4.1.
    """

    _clip_factor = None  # of the gradients of the step that is being traced
    _last_update: tuple = ()  # what the next variable has to wait for

    def build(self, variables):
        if not self.built:
            self.spare_vectors(variables)
            super().build(variables)

    def spare_vectors(self, variables):
        """Excludes those of less than two dimensions from weight decay."""
        self.exclude_from_weight_decay(
            var_list=[v for v in variables if len(v.shape) < 2]
        )

    def update_step(self, gradient, variable, learning_rate):
        if not _on_tensorflow():
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        with tf.control_dependencies(self._last_update):
            gradient = self.clipped(gradient)
            self.decay(variable, learning_rate)
            if self.amsgrad:
                super().update_step(gradient, variable, learning_rate)
            else:
                self._update_at_once(gradient, variable, learning_rate)

    def clipped(self, gradient):
        """Returns a gradient as the global norm of all has it scaled."""
        if self._clip_factor is None:
            return gradient
        return ops.multiply(
            gradient, ops.cast(self._clip_factor, gradient.dtype)
        )

    def _clip_gradients(self, grads):
        """Leaves scaling by the global norm to `clipped`, on one replica."""
        if self.clipnorm or not self.global_clipnorm or not _on_one_replica():
            return super()._clip_gradients(grads)
        from gpt_keras.training.gradients import global_norm

        norm = global_norm([x for x in grads if x is not None])
        factor = self.global_clipnorm * ops.minimum(
            1 / norm, 1 / self.global_clipnorm
        )
        self._clip_factor = factor + (norm - norm)  # NaN if that isn't finite
        return grads

    def _backend_apply_gradients(self, grads, trainable_variables):
        try:
            super()._backend_apply_gradients(grads, trainable_variables)
        finally:
            self._clip_factor, self._last_update = None, ()

    def _apply_weight_decay(self, variables):
        """Leaves it to `update_step` on TensorFlow."""
        if not _on_tensorflow():
            super()._apply_weight_decay(variables)

    def decay(self, variable, learning_rate):
        """Decays a variable, if it is one that does."""
        if self.weight_decay and self._use_weight_decay(variable):
            rate = ops.cast(learning_rate, variable.dtype)
            factor = 1 - rate * ops.cast(self.weight_decay, variable.dtype)
            self.assign(variable, variable * factor)

    def _update_at_once(self, gradient, variable, learning_rate):
        import tensorflow as tf

        index = self._get_variable_index(variable)
        dtype = variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        beta_1, beta_2, rate, epsilon = [
            tf.cast(x, dtype)
            for x in (self.beta_1, self.beta_2, learning_rate, self.epsilon)
        ]
        update = tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=rate,
            beta1=beta_1,
            beta2=beta_2,
            epsilon=epsilon,
            grad=tf.cast(tf.convert_to_tensor(gradient), dtype),
        )
        if update is not None and _on_one_replica():  # None: it is done
            self._last_update = (update,)


def _on_tensorflow() -> bool:
    return keras.backend.backend() == "tensorflow"


def _on_one_replica() -> bool:
    """Whether TensorFlow updates the variables in one place."""
    if not _on_tensorflow():
        return False
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync == 1


def _handle(variable):
    """Returns TensorFlow's resource of its variable or of Keras'."""
    is_keras = isinstance(variable, keras.Variable)
    return (variable.value if is_keras else variable).handle
