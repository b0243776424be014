"""Last states and labels in, their cross-entropy out, without all the logits.

The logits of a large vocabulary are the largest tensor of a training step.
Here those of a few tokens at a time are made, and turned into gradients at
once (TensorFlow).
"""

import tensorflow as tf

# Of float32 logits in a chunk: 128 MiB, and as much for their gradients.
_MOST_LOGITS = 2**25
# Of a padding id: its probability is 0, and so is its gradient.
_HIDDEN = -1e30


def default_chunk_tokens(vocab_size: int) -> int:
    """Returns how many tokens' logits take 128 MiB."""
    return max(1, _MOST_LOGITS // vocab_size)


def weighted_loss_sum(
    hidden,
    projection,
    labels,
    weights,
    *,
    chunk_tokens: int,
    label_smoothing: float = 0.0,
    with_gradients: bool = True,
):
    """Returns the sum of weight times -log p(label).

    Gradients for states, kernel and bias are made chunk by chunk together
    with the loss: three matrix products, as without chunks, and two where the
    projection is frozen.

    Args:
        hidden: `(batch, length, d_model)` states, in any float dtype, which
            is that of the products. The softmax is in float32.
        projection: `Projection`.
        labels: `(batch, length)` integers in [0, vocab_size); where the
            weight is 0 any value will do. On a CPU others raise an
            InvalidArgumentError, and with XLA the loss is NaN.
        weights: `(batch, length)` float32. To keep small gradients in 16
            bits, a loss scale belongs in here.
        chunk_tokens: How many tokens' logits are there at a time, at most; 0:
            all.
        label_smoothing: Share of the label's probability that is spread over
            the vocabulary, padding left out.
        with_gradients: False makes the loss alone.

    Returns:
        float32 scalar, the sum in nats. It has no gradient for the weights.

    Reference:
        Hsu et al. 2024, Liger Kernel: fused linear cross-entropy.
    """
    rows = tf.reshape(hidden, (-1, hidden.shape[-1]))
    weights = tf.reshape(weights, (-1,))
    labels = tf.cast(tf.reshape(labels, (-1,)), tf.int64)
    labels = tf.where(weights == 0, tf.zeros_like(labels), labels)
    # Relative to the largest: 16 bits hold equal ones exactly, however many
    # tokens they are divided by.
    unit = tf.reduce_max(tf.abs(weights))
    unit = tf.where(unit > 0, unit, 1.0)  # also where there are no tokens
    weights = weights / unit
    parameters = [
        tf.convert_to_tensor(parameter)
        for parameter in (projection.kernel, projection.bias)
        if parameter is not None
    ]
    frozen = [tf.stop_gradient(parameter) for parameter in parameters]

    def chunk(rows, labels, weights, trained):
        parameters = trained or frozen
        losses, errors = _losses(
            rows, labels, parameters, projection, label_smoothing
        )
        loss = tf.reduce_sum(losses * weights)
        if not with_gradients:
            return loss, ()
        return loss, _gradients(rows, weights, errors, parameters, projection)

    @tf.custom_gradient
    def total(*inputs):
        # Or a tape that runs eagerly would keep the logits of every chunk.
        rows, *trained = [tf.stop_gradient(x) for x in inputs]
        loss, gradients = _sum_over_chunks(
            chunk,
            (rows, labels, weights),
            trained,
            chunk_tokens,
            with_gradients,
        )

        def scaled(upstream):
            factor = tf.cast(upstream, tf.float32) * unit
            return [
                tf.cast(tf.cast(gradient, tf.float32) * factor, x.dtype)
                for gradient, x in zip(gradients, inputs, strict=True)
            ]

        return loss * unit, scaled

    return total(rows, *(parameters if projection.trainable else []))


def _losses(rows, labels, parameters, projection, smoothing: float):
    """Returns losses `(tokens,)` and softmax minus labels, both float32."""
    kernel, *bias = [tf.cast(p, rows.dtype) for p in parameters]
    logits = tf.matmul(rows, kernel, transpose_b=projection.transposed)
    if bias:
        logits += bias[0]
    logits = tf.cast(logits, tf.float32)
    width, size = logits.shape[1], projection.vocab_size
    if size is not None and size < width:
        logits = tf.where(tf.range(width) < size, logits, _HIDDEN)
    losses, errors = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
        features=logits, labels=labels
    )
    if not smoothing:
        return losses, errors
    return _smoothed(losses, errors, logits, labels, smoothing, size or width)


def _smoothed(losses, errors, logits, labels, smoothing: float, size: int):
    """Spreads a share of the labels' probability over `size` ids."""
    places = tf.stack([tf.range(tf.size(labels, tf.int64)), labels], axis=1)
    of_label = tf.gather_nd(logits, places)
    spread = of_label - tf.reduce_mean(logits[:, :size], axis=1)
    share = smoothing / size
    is_token = tf.range(logits.shape[1]) < size
    errors -= tf.where(is_token, share, 0.0)
    errors = tf.tensor_scatter_nd_add(
        errors, places, tf.fill(tf.shape(labels), smoothing)
    )
    return losses + smoothing * spread, errors


def _gradients(rows, weights, errors, parameters, projection):
    """Returns those of the rows, in their dtype, and of what is trained."""
    transposed = projection.transposed
    kernel = tf.cast(parameters[0], rows.dtype)
    # The weight goes to the small matrices: `errors` is as large as logits.
    weighted = rows * tf.cast(weights, rows.dtype)[:, None]
    low = tf.cast(errors, rows.dtype)
    of_rows = tf.matmul(low, kernel, transpose_b=not transposed)
    of_rows = tf.cast(of_rows, tf.float32) * weights[:, None]
    of_rows = tf.cast(of_rows, rows.dtype)
    if not projection.trainable:
        return [of_rows]
    if transposed:
        of_kernel = tf.matmul(low, weighted, transpose_a=True)
    else:
        of_kernel = tf.matmul(weighted, low, transpose_a=True)
    gradients = [of_rows, tf.cast(of_kernel, tf.float32)]
    if len(parameters) == 2:
        gradients.append(tf.linalg.matvec(errors, weights, transpose_a=True))
    return gradients


def _sum_over_chunks(chunk, tokens, trained, most: int, with_gradients):
    """Returns the sum of the chunks' losses, and gradients of all rows.

    Args:
        chunk: Takes rows, labels, weights and what is trained; returns a loss
            and the gradients of the rows and of that.
        tokens: Rows, labels and weights of all tokens.
        trained: Kernel and bias, or nothing.
        most: Tokens in a chunk at most; 0: all.
        with_gradients: Whether the chunk returns gradients, or ().
    """
    rows = tokens[0]
    count = tf.shape(rows)[0] if rows.shape[0] is None else rows.shape[0]
    if most == 0 or (isinstance(count, int) and count <= most):
        return chunk(*tokens, trained)
    number = -(-count // min(most, tf.int32.max))
    if not isinstance(count, int):
        number = tf.maximum(number, 1)
    size = -(-count // number)  # as even as can be, and little to pad
    parts = [_cut(tensor, count, number, size) for tensor in tokens]

    def part(index):
        return chunk(*[part[index] for part in parts], trained)

    def body(index, loss, of_rows, sums):
        more, gradients = part(index)
        if with_gradients:
            of_rows = of_rows.write(index, gradients[0])
        pairs = zip(sums, gradients[1:], strict=True)
        return index + 1, loss + more, of_rows, [x + y for x, y in pairs]

    # Sums that begin with zeros would be constants of the graph, as large as
    # the gradients, for as long as it lives.
    loss, gradients = part(0)
    of_rows = ()
    if with_gradients:
        of_rows = tf.TensorArray(
            rows.dtype, number, element_shape=(None, rows.shape[1])
        ).write(0, gradients[0])
    _, loss, of_rows, sums = tf.while_loop(
        lambda index, *_: index < number,
        body,
        (tf.constant(1), loss, of_rows, list(gradients[1:])),
        parallel_iterations=1,
    )
    if not with_gradients:
        return loss, ()
    of_rows = tf.reshape(of_rows.stack(), (-1, rows.shape[1]))
    return loss, [of_rows[:count], *sums]


def _cut(tensor, count, number, size):
    """Returns `(tokens, …)` as `(chunks, size, …)`, with zeros behind."""
    rest = [[0, 0]] * (len(tensor.shape) - 1)
    padded = tf.pad(tensor, [[0, number * size - count], *rest])
    return tf.reshape(padded, (number, size, *tensor.shape[1:]))
