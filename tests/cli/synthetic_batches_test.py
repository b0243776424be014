"""Tests of `gpt_keras.cli.synthetic_batches`."""

import numpy as np

from gpt_keras.cli.synthetic_batches import synthetic_batches
from gpt_keras.config import TrainConfig


def test_batches_are_those_of_a_run_from_any_step_on():
    config = TrainConfig(max_length=4, batch_size=2)
    whole = list(synthetic_batches(config, 9, 0, 20).as_numpy_iterator())
    rest = list(synthetic_batches(config, 9, 17, 3).as_numpy_iterator())
    assert len(whole) == 20
    for batch, expected in zip(rest, whole[17:], strict=True):
        for values, others in zip(batch, expected, strict=True):
            np.testing.assert_array_equal(values, others)
    token_ids, labels, weight = whole[0]
    assert token_ids.shape == labels.shape == weight.shape == (2, 4)
    assert token_ids.min() >= 0 and max(b[0].max() for b in whole) == 8
    np.testing.assert_array_equal(token_ids[:, 1:], labels[:, :-1])
