"""Gradients in, AdamW's steps out, with weight decay on matrices only."""

import keras


@keras.saving.register_keras_serializable(package="gpt_keras")
class MatrixAdamW(keras.optimizers.AdamW):
    """AdamW whose weight decay leaves vectors (biases and norms) alone.

    What `exclude_from_weight_decay` is told doesn't outlive a save of the
    stock optimizer: its vectors decay after loading. Here the choice is the
    class's own, made out of the shapes. Whatever decays takes stock AdamW's
    steps.

    Args:
        **kwargs: As `keras.optimizers.AdamW`. `weight_decay=0.0` for none.

    Reference:
        Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization; which
        variables decay: Radford et al. 2018, §4.1.
    """

    def build(self, variables):
        if not self.built:
            self.spare_vectors(variables)
            super().build(variables)

    def spare_vectors(self, variables):
        """Excludes those of less than two dimensions from weight decay."""
        self.exclude_from_weight_decay(
            var_list=[v for v in variables if len(v.shape) < 2]
        )
