"""Gradients in, one exact optimizer step out: dense, reduced, guarded.

Three things that Keras' own step does differently under a strategy are put
right here, for any Keras optimizer: an embedding's sparse gradient is made
dense, so that ids which occur twice are summed before they are squared; the
gradients are summed over the replicas *before* the optimizer clips them; and
a step whose gradients are not finite changes nothing.
"""

import contextlib

import tensorflow as tf


def all_reduce_sum(values):
    """Sums tensors over the replicas of the strategy in force."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values
    return context.all_reduce(tf.distribute.ReduceOp.SUM, values)


def apply_gradients(optimizer, gradients, variables):
    """Takes one optimizer step with the sum of all replicas' gradients.

    Args:
        optimizer: Any Keras optimizer; its clipping and weight decay apply.
        gradients: This replica's gradients; None where a variable has none.
        variables: The variables, in the same order.

    Returns:
        Boolean scalar: False when a gradient was not finite and the step was
        left out. The optimizer's iterations count it all the same, so that
        step, data order and schedule stay together.
    """
    pairs = [
        (tf.convert_to_tensor(gradient), variable)
        for gradient, variable in zip(gradients, variables, strict=True)
        if gradient is not None
    ]
    gradients, variables = [list(part) for part in zip(*pairs, strict=True)]
    gradients = all_reduce_sum(gradients)
    finite = _all_finite(gradients)
    _build(optimizer, variables)
    if hasattr(optimizer, "dynamic_scale"):
        # A loss-scaling optimizer has to see the overflow to scale down, and
        # leaves the step out by itself.
        _run_once(optimizer, gradients, variables, None)
    else:
        _run_once(optimizer, gradients, variables, finite)
    return finite


def _all_finite(gradients):
    return tf.reduce_all(
        [tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients]
    )


def _build(optimizer, variables):
    """Makes the optimizer's slots outside of any branch of the graph."""
    if not optimizer.built:
        with tf.init_scope():
            optimizer.build(variables)


def _run_once(optimizer, gradients, variables, finite):
    """Applies on every replica, where `finite` (None: always)."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        _branch(
            finite,
            lambda: optimizer.apply(gradients, variables),
            lambda: _count(optimizer),
        )
        return

    # A branch that holds a merge_call must stand in cross-replica context.
    def update(strategy, gradients, finite):
        def apply_on_replicas():
            with _reduced_already(optimizer):
                strategy.extended.call_for_each_replica(
                    optimizer.apply, args=(gradients, variables)
                )

        if finite is not None:
            finite = strategy.experimental_local_results(finite)[0]
        _branch(finite, apply_on_replicas, lambda: _count(optimizer))

    context.merge_call(update, args=(gradients, finite))


def _branch(condition, apply, skip):
    if condition is None:
        apply()
        return

    def chosen(branch):
        def run():
            branch()
            return tf.constant(0)  # both branches of a cond give the same

        return run

    tf.cond(condition, chosen(apply), chosen(skip))


def _count(optimizer):
    optimizer.iterations.assign_add(1)


@contextlib.contextmanager
def _reduced_already(optimizer):
    """Keeps the optimizer from summing over the replicas a second time."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner._all_reduce_sum_gradients = list
    try:
        yield
    finally:
        del inner._all_reduce_sum_gradients
