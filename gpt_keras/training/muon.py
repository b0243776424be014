"""Gradients in, Muon's steps of the named matrices out, AdamW's of the rest."""

import keras
from keras import ops

from gpt_keras.training.adamw import MatrixAdamW

# a, b, c of the polynomials aX + bXXᵀX + c(XXᵀ)²X that are applied one after
# the other. Each brings the singular values between the least and the largest
# that the last leaves closest to 1 (Amsel et al. 2025, theorem 3.1). The first
# takes those from 0.003 to 1, the last leaves 0.8 to 1.2. Jordan et al. apply
# one polynomial five times.
_POLYNOMIALS = (
    (8.3837, -24.7659, 18.3571),
    (4.0434, -3.0114, 0.5695),
    (3.5056, -2.6267, 0.5257),
    (2.4901, -1.8343, 0.4368),
)
# What keeps a matrix of zeros from a division by 0: Jordan et al. 2024.
_EPSILON = 1e-7
# Elements of matrices of one size that are taken together, at most: 16 MiB.
_MOST_TOGETHER = 2**22
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
        networks; Liu et al. 2025, Muon is Scalable for LLM Training, §2.2;
        Amsel et al. 2025, The Polar Express: Optimal Matrix Sign Methods.
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
        if self._parts_of(variable):
            self._take_steps([(gradient, variable)], learning_rate)
        else:
            super().update_step(gradient, variable, learning_rate)

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        pairs = list(zip(grads, trainable_variables, strict=True))
        # With a strategy each variable is updated on its own, by TensorFlow.
        if not _has_strategy():
            ours = [pair for pair in pairs if self._parts_of(pair[1])]
            for group in self._groups(ours):
                self._take_steps(group, learning_rate)
            pairs = [pair for pair in pairs if not self._parts_of(pair[1])]
        if pairs:
            rest = [list(column) for column in zip(*pairs, strict=True)]
            super()._backend_update_step(*rest, learning_rate)

    def _parts_of(self, variable):
        return self._parts[self._get_variable_index(variable)]

    def _groups(self, pairs):
        """Yields small matrices of one size together, large ones alone.

        Many small products take longer than a few that are as much work.
        """
        groups = {}
        for pair in pairs:
            rows, width = pair[1].shape
            size = tuple(sorted((rows, width // self._parts_of(pair[1]))))
            group = groups.setdefault(size, [])
            if group and (len(group) + 1) * rows * width > _MOST_TOGETHER:
                yield groups.pop(size)
                group = groups.setdefault(size, [])
            group.append(pair)
        yield from groups.values()

    def _take_steps(self, pairs, learning_rate):
        """Moves variables whose matrices are of one size."""
        directions = [
            _take_apart(self._direction(*pair), self._parts_of(pair[1]))
            for pair in pairs
        ]
        updates = muon_update(ops.concatenate(directions))
        begin = 0
        for _, variable in pairs:
            end = begin + self._parts_of(variable)
            update = _join(updates[begin:end], variable.shape)
            rate = ops.cast(learning_rate, update.dtype)
            if keras.backend.backend() == "tensorflow":
                self.decay(variable, learning_rate)
            self.assign_sub(variable, rate * update)
            begin = end

    def _direction(self, gradient, variable):
        """Moves the momentum on; returns it in Nesterov's form."""
        slot = self._momentums[self._get_variable_index(variable)]
        gradient = ops.cast(self.clipped(gradient), slot.dtype)
        momentum = self.momentum * slot + gradient
        self.assign(slot, momentum)
        return gradient + self.momentum * momentum

    def get_config(self):
        return {
            **super().get_config(),
            "matrices": dict(self.matrices),
            "momentum": self.momentum,
        }


def muon_update(direction):
    """Returns the update of matrices `(..., rows, columns)` at rate 1.

    Their singular values become about equal, by polynomials that need no
    decomposition, and the root mean square of the elements about 0.2.
    """
    rows, columns = direction.shape[-2:]
    x = direction if rows <= columns else _turned(direction)
    x = x / (ops.norm(x, axis=(-2, -1), keepdims=True) + _EPSILON)
    is_wide = 2 * min(rows, columns) <= max(rows, columns)
    x = _by_gram(x) if is_wide else _directly(x)
    x = x if rows <= columns else _turned(x)
    return x * (_UPDATE_SIZE * max(rows, columns) ** 0.5)


def _directly(x):
    """Applies the polynomials to matrices that are about square."""
    for a, b, c in _POLYNOMIALS:
        gram = ops.matmul(x, _turned(x))
        x = a * x + ops.matmul(b * gram + c * ops.matmul(gram, gram), x)
    return x


def _by_gram(x):
    """Applies them by way of the small square matrix X Xᵀ.

    Each makes Q X out of X, with Q a polynomial of X Xᵀ: what is as long as X
    is multiplied twice, however many polynomials there are.
    """
    identity = ops.eye(x.shape[-2], dtype=x.dtype)
    gram = ops.matmul(x, _turned(x))
    product = None
    for index, (a, b, c) in enumerate(_POLYNOMIALS):
        factor = a * identity + b * gram + c * ops.matmul(gram, gram)
        product = factor if product is None else ops.matmul(factor, product)
        if index + 1 < len(_POLYNOMIALS):
            gram = ops.matmul(ops.matmul(factor, gram), factor)
    return ops.matmul(product, x)


def _turned(x):
    return ops.swapaxes(x, -1, -2)


def _take_apart(matrix, parts: int):
    """From `(rows, parts * columns)` to `parts` matrices, none of them tall.

    They are `(parts, rows, columns)`, or turned where there are more rows.
    """
    rows, width = matrix.shape
    divided = ops.reshape(matrix, (rows, parts, width // parts))
    is_tall = rows * parts > width
    return ops.transpose(divided, (1, 2, 0) if is_tall else (1, 0, 2))


def _join(matrices, shape):
    """Puts what `_take_apart` made side by side again, in this shape."""
    rows, width = shape
    is_tall = rows * matrices.shape[0] > width
    joined = ops.transpose(matrices, (2, 0, 1) if is_tall else (1, 0, 2))
    return ops.reshape(joined, (rows, width))


def _has_strategy() -> bool:
    """Whether TensorFlow has to say where variables are updated."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return tf.distribute.has_strategy()
