"""Gradients in, Muon's steps of the named matrices out, AdamW's of the rest."""

import keras
from keras import ops

from gpt_keras.training.adamw import MatrixAdamW

# Of the polynomial, how often it is applied, and what keeps a matrix of zeros
# from a division by 0: Jordan et al. 2024.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5
_EPSILON = 1e-7
# The root mean square of AdamW's updates: Liu et al. 2025, §2.2.
_UPDATE_SIZE = 0.2


@keras.saving.register_keras_serializable(package="gpt_keras")
class Muon(MatrixAdamW):
    """Muon for the matrices that are named, AdamW for all other variables.

    The momentum of a matrix, in Nesterov's form, is orthogonalised before it
    is subtracted, and scaled so that learning rate and weight decay mean what
    they mean to AdamW. Unlike `keras.optimizers.Muon` it takes matrices that
    stand side by side in one variable apart, and decays no vectors. Muon's
    matrices have one slot, the others two.

    Args:
        matrices: The end of a variable's path, and of how many matrices side
            by side it consists, for each that is Muon's:
            `{"query_key_value/kernel": 3}`.
        momentum: Of Muon, `0 <= momentum < 1`.
        **kwargs: As `keras.optimizers.AdamW`, without `amsgrad`.

    Raises:
        ValueError: `amsgrad` is wanted, or a variable can't be divided into
            its matrices.

    Reference:
        Jordan et al. 2024, Muon: An optimizer for hidden layers in neural
        networks; Liu et al. 2025, Muon is Scalable for LLM Training, §2.2.
    """

    def __init__(self, *args, matrices=None, momentum: float = 0.95, **kwargs):
        super().__init__(*args, **kwargs)
        if self.amsgrad:
            raise ValueError("Muon has no `amsgrad`. Received: amsgrad=True")
        self.matrices = dict(matrices or {})
        self.momentum = momentum

    def build(self, variables):
        if self.built:
            return
        self.spare_vectors(variables)
        # Not Adam's, which would give every variable two slots.
        super(keras.optimizers.Adam, self).build(variables)
        self._parts = [self.num_matrices(variable) for variable in variables]
        self._momentums = self.add_optimizer_variables(variables, "momentum")
        self._velocities = [
            None
            if parts
            else self.add_variable_from_reference(variable, "velocity")
            for variable, parts in zip(variables, self._parts, strict=True)
        ]

    def num_matrices(self, variable) -> int:
        """Returns how many of Muon's matrices a variable is; 0: AdamW's."""
        path = f"/{variable.path}"
        found = [
            parts
            for name, parts in self.matrices.items()
            if path.endswith(f"/{name}")
        ]
        if not found:
            return 0
        parts = found[0]
        if len(variable.shape) != 2 or variable.shape[1] % parts:
            raise ValueError(
                f"{variable.path!r} must be {parts} equal matrices side by "
                f"side. Received: shape={tuple(variable.shape)}"
            )
        return parts

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        parts = self._parts[index]
        if not parts:
            super().update_step(gradient, variable, learning_rate)
            return
        slot = self._momentums[index]
        gradient = ops.cast(gradient, slot.dtype)
        momentum = self.momentum * slot + gradient
        self.assign(slot, momentum)
        ahead = gradient + self.momentum * momentum  # Nesterov's form
        update = _join(muon_update(_take_apart(ahead, parts)))
        self.assign_sub(variable, ops.cast(learning_rate, slot.dtype) * update)

    def get_config(self):
        return {
            **super().get_config(),
            "matrices": dict(self.matrices),
            "momentum": self.momentum,
        }


def muon_update(direction):
    """Returns the update of matrices `(..., rows, columns)` at rate 1.

    Their singular values become about equal, by a polynomial that needs no
    decomposition, and the root mean square of the elements about 0.2.
    """
    rows, columns = direction.shape[-2:]
    x = direction if rows <= columns else ops.swapaxes(direction, -1, -2)
    x = x / (ops.norm(x, axis=(-2, -1), keepdims=True) + _EPSILON)
    for _ in range(_ITERATIONS):
        gram = ops.matmul(x, ops.swapaxes(x, -1, -2))
        x = _A * x + ops.matmul(_B * gram + _C * ops.matmul(gram, gram), x)
    x = x if rows <= columns else ops.swapaxes(x, -1, -2)
    return x * (_UPDATE_SIZE * max(rows, columns) ** 0.5)


def _take_apart(matrix, parts: int):
    """From `(rows, parts * columns)` to `(parts, rows, columns)`."""
    rows, width = matrix.shape
    divided = ops.reshape(matrix, (rows, parts, width // parts))
    return ops.transpose(divided, (1, 0, 2))


def _join(matrices):
    """Puts matrices `(parts, rows, columns)` side by side again."""
    parts, rows, columns = matrices.shape
    joined = ops.transpose(matrices, (1, 0, 2))
    return ops.reshape(joined, (rows, parts * columns))
