"""States of tokens and a vocabulary's table in, the mean loss out, on JAX."""

import functools

import jax
import jax.numpy as jnp


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def mean_loss(rows, kernel, labels, chunk_tokens: int):
    """Returns the mean of -log p(label).

    Gradients are made chunk by chunk together with the loss, so that logits
    are neither kept nor made twice.

    Args:
        rows: `(tokens, d_model)` states.
        kernel: `(vocab_size, d_model)` float32.
        labels: `(tokens,)` integers.
        chunk_tokens: How many tokens' logits are there at a time; divides
            their number. 0: all.
    """
    return _mean_loss_forward(rows, kernel, labels, chunk_tokens)[0]


def _mean_loss_forward(rows, kernel, labels, chunk_tokens):
    count = len(rows)
    low = kernel.astype(rows.dtype)

    def add(sums, chunk):
        losses, errors = _losses(chunk[0] @ low.T, chunk[1])
        errors = (errors / count).astype(rows.dtype)
        of_kernel = (errors.T @ chunk[0]).astype(kernel.dtype)
        sums = sums[0] + jnp.sum(losses) / count, sums[1] + of_kernel
        return sums, errors @ low

    chunks = jax.tree.map(
        lambda x: x.reshape(-1, chunk_tokens or count, *x.shape[1:]),
        (rows, labels),
    )
    nothing = jnp.zeros(()), jnp.zeros_like(kernel)
    (loss, of_kernel), of_rows = jax.lax.scan(add, nothing, chunks)
    return loss, (of_rows.reshape(rows.shape), of_kernel)


def _mean_loss_backward(chunk_tokens, gradients, upstream):
    of_rows, of_kernel = gradients
    return of_rows * upstream.astype(of_rows.dtype), of_kernel * upstream, None


mean_loss.defvjp(_mean_loss_forward, _mean_loss_backward)


def _losses(logits, labels):
    """Returns -log p(label), and the gradients of the logits, float32.

    The logits are read twice: for the sums, then for the gradients.
    """
    wide = logits.astype(jnp.float32)
    greatest, total = jax.lax.reduce(
        (wide, jnp.ones_like(wide)),
        (jnp.float32(-1e30), jnp.float32(0)),
        _sum_of_powers,
        (1,),
    )
    log_total = greatest + jnp.log(total)
    of_label = jnp.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    is_label = jnp.arange(logits.shape[1]) == labels[:, None]
    errors = jnp.exp(wide - log_total[:, None]) - is_label
    return log_total - of_label.astype(jnp.float32), errors


def _sum_of_powers(one, other):
    """Adds sums of e^(x - greatest), each with the greatest x of its own."""
    greatest = jnp.maximum(one[0], other[0])
    parts = [total * jnp.exp(x - greatest) for x, total in (one, other)]
    return greatest, parts[0] + parts[1]
