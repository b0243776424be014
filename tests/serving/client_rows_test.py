"""Tests of `gpt_keras.serving.client_rows` through the client."""

import pytest
from client_testing import FakeModel

from gpt_keras.serving.client import Client
from gpt_keras.serving.client_retries import Retries


@pytest.fixture(scope="module")
def model():
    model = FakeModel()
    with model.serving() as model.url:
        yield model


@pytest.fixture(scope="module")
def client(model):
    with Client(model.url, "m") as client:
        yield client


def test_rows_come_without_their_padding(client):
    one, two = client.generate(["a", "b"], max_new_tokens=[1, 3])
    assert one.token_ids == (7,) and two.token_ids == (7,) * 3
    assert len(two.logprobs) == len(two.top_token_ids) == 3
    assert (two.text, two.text_bytes) == ("w0 w1 w2 ", b"w0 w1 w2 ")
    assert (two.seed, two.error, two.prompt_truncated) == (0, "", False)
    score = client.score("a", "cat")
    assert score.token_ids == (1,) * 3 and score.logprobs == (-1.5,) * 3
    assert (score.total_logprob, score.bits_per_byte) == (-4.5, 2.0)


def test_tokens_and_texts_go_to_and_fro(client):
    tokens = client.tokenize(["cat", ""])
    assert [one.token_ids for one in tokens] == [(99, 97, 116), ()]
    texts = client.detokenize([one.token_ids for one in tokens])
    assert [(one.text, one.text_bytes) for one in texts] == [
        ("cat", b"cat"),
        ("", b""),
    ]
    assert client.detokenize([99, 97]).text == "ca"
    long, empty = client.logits([[1, 2, 3], []])
    assert long.logits.shape == (3, 3) and not long.error
    assert empty.error == "empty" and len(empty.logits) == 0


def test_complete_takes_the_export_s_settings_or_python_s(client, model):
    assert client.complete("a") == "after a"
    assert model.requests[-1] == ("serving_default", {"prompts": ["a"]})
    assert client.complete(["a", "b"], seed=[1, 2]) == ["after a", "after b"]
    name, inputs = model.requests[-1]
    assert name == "complete" and inputs["seed"] == [1, 2]
    assert inputs["max_new_tokens"] == [100, 100]


def test_nothing_is_asked_without_rows(client, model):
    before = len(model.requests)
    for method in (
        client.generate,
        client.complete,
        client.tokenize,
        client.detokenize,
        client.logits,
    ):
        assert method([]) == []
    assert client.score([], []) == []
    assert len(model.requests) == before


def test_mistakes_are_told(client):
    with pytest.raises(ValueError, match="one text for each prompt"):
        client.score(["a", "b"], ["a"])
    for wrong in ([[1], [0.5]], "12", [True], [[1], 2]):
        with pytest.raises(ValueError, match="`token_ids` must be a sequence"):
            client.detokenize(wrong)


def test_a_stream_outlives_its_server():
    model = FakeModel()
    with model.serving() as url:
        client = Client(url, "m", retries=Retries(20, 0.05, 0.05))
        stream = client.stream("a", max_new_tokens=5, tokens_per_call=2)
        first = next(stream)
    with model.serving(int(url.rsplit(":", 1)[1])):
        assert (first, *stream) == ("w0 w1 ", "w2 w3 ", "w4 ")
    assert stream.finish_reason == "length"
    sent = model.answers_for("generate")
    assert [one["continuation"][0] for one in sent] == ["", "2", "4"]
    assert {path.split(":")[0] for path in model.paths if ":" in path} == {
        "/v1/models/m/versions/7"
    }


def test_a_failed_piece_can_be_asked_for_again():
    model = FakeModel()
    with model.serving() as url:
        client = Client(url, "m", retries=Retries(0))
        stream = client.stream("a", max_new_tokens=4, tokens_per_call=2)
        first = next(stream)
        model.answers.append((503, {}, b'{"error": "later"}'))
        with pytest.raises(OSError, match="later"):
            next(stream)
        assert [first, *stream] == ["w0 w1 ", "w2 w3 "]
