"""Tests of `gpt_keras.planning.calibration`."""

import pytest
import tensorflow as tf
from planning_testing import VOCAB_SIZE
from planning_testing import config_of

from gpt_keras.planning.calibration import Point
from gpt_keras.planning.calibration import extrapolated
from gpt_keras.planning.calibration import points
from gpt_keras.planning.calibration import step_seconds

PEAK = 1e9


def test_a_small_step_is_measured_as_it_is():
    config = config_of("gpt2", num_layers=4)
    assert points(config, 8, 1e6, PEAK) == [Point(4, 8)]


def test_a_large_one_is_made_out_of_smaller_ones():
    config = config_of("gpt2", num_layers=48)
    assert points(config, 8, 1e6, PEAK) == [Point(1, 8), Point(4, 8)]
    # A row of four blocks would take half a second at half of the peak.
    found = points(config, 512, 3e9, PEAK)
    assert found == [Point(1, 1), Point(1, 2), Point(4, 1), Point(4, 2)]
    parts = config_of("gpt2", microbatches=4)
    assert points(parts, 8, 1e6, PEAK) == [Point(2, 8), Point(2, 16, 2)]
    assert points(parts, 8, 1e9, PEAK) == [Point(2, 1), Point(2, 2)]


@pytest.mark.parametrize("blocks", [(1, 4), (6,)])
@pytest.mark.parametrize("rows", [(2, 4), (64,)])
def test_a_line_is_found_again(blocks, rows):
    def seconds(blocks, rows):
        return 3 + 2 * blocks + 0.1 * rows + 0.5 * blocks * rows

    measured = {Point(x, y): seconds(x, y) for x in blocks for y in rows}
    found = extrapolated(measured, num_layers=6, rows=64)
    assert found == pytest.approx(seconds(6, 64))


def test_noise_makes_no_time_negative():
    measured = {Point(1, 8): 2.0, Point(4, 8): 1.0}
    assert extrapolated(measured, num_layers=48, rows=8) == 2.0


def test_steps_of_the_real_model_are_timed():
    used = []

    def batches(config, num_steps):
        used.append(config)
        ids = tf.zeros((config.batch_size, config.max_length), tf.int32)
        batch = (ids, ids, tf.ones(ids.shape))
        return tf.data.Dataset.from_tensors(batch).repeat(num_steps)

    config = config_of("adapters", microbatches=4, remat=True)
    point = Point(num_layers=1, rows=4, microbatches=2)
    seconds = step_seconds(config, point, VOCAB_SIZE, batches, seconds=0.0)
    assert 0 < seconds < 60
    (config,) = used
    assert (config.num_layers, config.batch_size) == (1, 4)
