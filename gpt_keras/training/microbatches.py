"""A batch in, the sum of what its parts give out (TensorFlow).

Only the activations of one part are in memory at a time.
"""

import tensorflow as tf


def sum_over_microbatches(compute, batch, count: int, variables, has_outputs):
    """Cuts a batch by rows and sums objective and gradients of the parts.

    Args:
        compute: Takes a list of tensors, one part of each in `batch`, and the
            number of the part; returns an objective (float32 scalar), the
            gradients of `variables` (None where there is none) and outputs
            (`(rows, …)` float32, or None).
        batch: Tensors with the same number of rows. Where the parts don't
            come out even, rows of zeros are added, which must not count.
        count: The number of parts.
        variables: Whose gradients they are.
        has_outputs: Whether there are outputs.

    Returns:
        The sum of the objectives, the sums of the gradients, and the outputs
        of all rows.
    """
    if count == 1:
        return compute(batch, tf.constant(0))
    rows = _num_rows(batch[0])
    parts = [_cut(tensor, rows, count) for tensor in batch]
    is_none = [False] * len(variables)  # known once the body was traced

    def body(index, objective, totals, outputs):
        more, gradients, part_outputs = compute(
            [part[index] for part in parts], index
        )
        is_none[:] = [gradient is None for gradient in gradients]
        # Or TensorFlow's optimizer may turn `total + (a + b)` into a sum in a
        # temporary variable, which a loop within a loop leaves behind: the
        # next step then fails with AlreadyExistsError.
        with tf.control_dependencies([more]):
            totals = [
                total if gradient is None else total + gradient
                for total, gradient in zip(totals, gradients, strict=True)
            ]
        if has_outputs:
            outputs = outputs.write(index, part_outputs)
        return index + 1, objective + more, totals, outputs

    _, objective, totals, outputs = tf.while_loop(
        lambda index, *_: index < count,
        body,
        (
            tf.constant(0),
            tf.constant(0.0),
            [tf.zeros_like(variable.value) for variable in variables],
            tf.TensorArray(tf.float32, count) if has_outputs else (),
        ),
        parallel_iterations=1,
    )
    gradients = [
        None if none else total
        for none, total in zip(is_none, totals, strict=True)
    ]
    return objective, gradients, _joined(outputs, rows) if has_outputs else None


def _num_rows(tensor):
    rows = tensor.shape[0]
    return tf.shape(tensor)[0] if rows is None else rows


def _cut(tensor, rows, count: int):
    """Returns `(rows, …)` as `(count, rows of a part, …)`."""
    size = -(-rows // count)
    padding = [[0, size * count - rows]] + [[0, 0]] * (len(tensor.shape) - 1)
    padded = tf.pad(tensor, padding)
    return tf.reshape(
        padded, tf.concat([[count, size], tf.shape(tensor)[1:]], 0)
    )


def _joined(outputs, rows):
    """Returns the outputs of all parts, `(rows, …)`, without added rows."""
    stacked = outputs.stack()
    whole = tf.reshape(stacked, tf.concat([[-1], tf.shape(stacked)[2:]], 0))
    return whole[:rows]
