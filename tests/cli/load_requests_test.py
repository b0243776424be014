"""Tests of `gpt_keras.cli.load_requests`: the same mixture each time."""

import pytest

from gpt_keras.cli.load_requests import bad_requests
from gpt_keras.cli.load_requests import good_requests
from gpt_keras.generation.setting_values import setting_rows


def test_good_requests_are_the_same_each_time_and_mixed():
    requests = good_requests(40, 20)
    assert requests == good_requests(40, 20)
    assert requests[:7] == good_requests(7, 20)
    assert {len(request.prompts) for request in requests} == {1, 2}
    used = set().union(*(request.settings for request in requests))
    assert used >= {"temperature", "top_k", "min_p", "stop", "overflow"}
    for request in requests:
        setting_rows(len(request.prompts), request.settings)  # none is wrong
        assert 1 <= max(request.settings["max_new_tokens"]) <= 20


@pytest.mark.parametrize("transport", ["REST", "gRPC"])
def test_bad_requests_of_both_transports(transport):
    found = bad_requests(transport, "http://localhost:1", "m", timeout=1.0)
    assert "the label is unknown" in found
    assert ("malformed JSON" in found) == (transport == "REST")
