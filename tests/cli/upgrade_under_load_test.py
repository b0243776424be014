"""Tests of `gpt_keras.cli.upgrade_under_load`: what a right upgrade is."""

from gpt_keras.cli.upgrade_under_load import Upgrade


def _upgraded(*versions):
    upgrade = Upgrade(server=None, seconds=1.0)
    upgrade.steps = [("step", 0.0, version) for version in versions]
    return upgrade.is_right


def test_the_label_goes_to_version_2_and_back():
    assert _upgraded(1, 2, 1, 1)
    assert not _upgraded(1, 1, 1, 1)  # it never moved
    assert not _upgraded(1, 2, 2, 1)  # it was not rolled back
    assert not _upgraded(1, 2, 1)  # the last step is missing
