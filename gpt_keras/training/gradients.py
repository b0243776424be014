"""Gradients in, one exact optimizer step out: dense, reduced, guarded.

Three things that Keras' own step does differently under a strategy are put
right here, for any Keras optimizer: an embedding's sparse gradient is made
dense, so that ids which occur twice are summed before they are squared; the
gradients are summed over the replicas *before* the optimizer clips them; and
a bad step, one that is not finite for example, changes nothing.
"""

import contextlib

import tensorflow as tf


def all_reduce_sum(values):
    """Sums tensors over the replicas of the strategy in force."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values
    return context.all_reduce(tf.distribute.ReduceOp.SUM, values)


def dense(gradients):
    """Returns gradients as tensors; None stays None."""
    return [
        None if gradient is None else tf.convert_to_tensor(gradient)
        for gradient in gradients
    ]


def apply_gradients(optimizer, gradients, variables, loss=0.0, state=None):
    """Takes one optimizer step with the sum of all replicas' gradients.

    Args:
        optimizer: Any Keras optimizer; its clipping and weight decay apply.
        gradients: This replica's gradients; None where a variable has none.
        variables: The variables, in the same order.
        loss: Of the global batch.
        state: `StepState`, which judges the step, or None: a step is good
            when its gradients are finite.

    Returns:
        Whether the step was taken, and the norm of its gradient. A step that
        was left out is counted by the optimizer's iterations all the same, so
        that step, data order and schedule stay together.
    """
    pairs = [
        (gradient, variable)
        for gradient, variable in zip(dense(gradients), variables, strict=True)
        if gradient is not None
    ]
    gradients, variables = [list(part) for part in zip(*pairs, strict=True)]
    gradients = all_reduce_sum(gradients)
    build_optimizer(optimizer, variables)
    norm = global_norm(gradients) / optimizer.scale_loss(1.0)
    accepted = (
        tf.math.is_finite(norm) if state is None else state.accepts(loss, norm)
    )
    verdict = (tf.convert_to_tensor(loss), norm, accepted)
    _update_once(optimizer, gradients, variables, verdict, state)
    return accepted, norm


def global_norm(gradients):
    """Returns the norm of all of them together, float32."""
    halves = [tf.nn.l2_loss(tf.cast(x, tf.float32)) for x in gradients]
    return tf.sqrt(2 * tf.add_n(halves))


def build_optimizer(optimizer, variables):
    """Makes the optimizer's slots, outside of any branch of the graph."""
    if not optimizer.built:
        with tf.init_scope():
            optimizer.build(variables)


def _update_once(optimizer, gradients, variables, verdict, state):
    """Updates on every replica, out of one decision for all of them.

    Args:
        optimizer: Any Keras optimizer.
        gradients: This replica's copy of the summed gradients.
        variables: The variables.
        verdict: Loss, gradient norm and whether to take the step, the same on
            every replica.
        state: `StepState` or None.
    """
    overflow = ~_all_finite(gradients) if _scales(optimizer) else None

    def update(strategy, gradients, verdict, overflow):
        def apply():
            with _reduced_already(optimizer):
                _on_replicas(strategy, optimizer.apply, gradients, variables)

        def take():
            apply()
            if state is not None:
                state.update_averages(optimizer.iterations.value)

        def skip():
            optimizer.iterations.assign_add(1)
            if overflow is not None:
                # It has to see the overflow to scale down, and leaves the
                # step out by itself.
                _branch(overflow, apply, _nothing)

        loss, norm, accepted = verdict
        step = tf.identity(optimizer.iterations.value)
        _branch(accepted, take, skip)
        if state is not None:
            state.record(step, loss, norm, accepted)

    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        update(None, gradients, verdict, overflow)
        return

    # A branch that holds a merge_call must stand in cross-replica context.
    def update_all(strategy, gradients, verdict, overflow):
        verdict, overflow = tf.nest.map_structure(
            lambda value: strategy.experimental_local_results(value)[0],
            (verdict, overflow),
        )
        update(strategy, gradients, verdict, overflow)

    context.merge_call(update_all, args=(gradients, verdict, overflow))


def _scales(optimizer) -> bool:
    """Whether it is a loss-scaling optimizer."""
    return hasattr(optimizer, "dynamic_scale")


def _all_finite(gradients):
    return tf.reduce_all(
        [tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients]
    )


def _on_replicas(strategy, apply, gradients, variables):
    if strategy is None:
        apply(gradients, variables)
    else:
        strategy.extended.call_for_each_replica(
            apply, args=(gradients, variables)
        )


def _branch(condition, true, false):
    def chosen(branch):
        def run():
            branch()
            return tf.constant(0)  # both branches of a cond give the same

        return run

    tf.cond(condition, chosen(true), chosen(false))


def _nothing():
    pass


@contextlib.contextmanager
def _reduced_already(optimizer):
    """Keeps the optimizer from summing over the replicas a second time."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner._all_reduce_sum_gradients = list
    try:
        yield
    finally:
        del inner._all_reduce_sum_gradients
