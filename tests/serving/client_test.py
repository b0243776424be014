"""Tests of the client against a served model, a plain client beside it."""

import base64
import json
import urllib.request

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc

from gpt_keras.cli import program
from gpt_keras.cli import query
from gpt_keras.generation.settings import SETTINGS
from gpt_keras.generation.settings import make_settings
from gpt_keras.generation.text_generator import TextGenerator
from gpt_keras.model import GPTModel
from gpt_keras.serving.client import Client
from gpt_keras.serving.client_errors import InvalidRequestError
from gpt_keras.serving.client_errors import NotFoundError
from gpt_keras.serving.export import export_saved_model
from gpt_keras.serving.local_server import LocalServer
from gpt_keras.serving.server_config import ServerConfig
from gpt_keras.text.character_tokenizer import CharacterTokenizer

SIGNATURES = ["generate", "beam", "prefill", "step"]
PROMPTS = ["the cat", "", "猫 sat on", "a mat " * 20]
ROWS = dict(
    max_new_tokens=[20, 9, 14, 40],
    temperature=[0.0, 1.0, 1.4, 0.8],
    top_p=[1.0, 0.9, 1.0, 0.95],
    seed=[0, 1, 2**40, 3],
    stop=[["sat", "x"], [], ["猫"], []],
    banned=[[], ["t"], [], ["猫"]],
    overflow=["stop", "stop", "stop", "roll"],
)


@pytest.fixture(scope="module")
def generator():
    tokenizer = CharacterTokenizer("abcdefghijklmnopqrstuvwxyz 猫.\n")
    model = GPTModel(
        tokenizer.vocab_size,
        16,
        2,
        32,
        32,
        num_layers=1,
        initializer_stddev=0.4,
    )
    model(np.zeros((1, 1), np.int32))
    made = TextGenerator(model, tokenizer)
    made.parts = model, tokenizer
    return made


@pytest.fixture(scope="module")
def server(generator, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved_models") / "mine"
    export_saved_model(*generator.parts, folder, signatures=SIGNATURES)
    config = ServerConfig(
        str(folder), rest_api_port=0, port=0, enable_model_warmup=False
    )
    with LocalServer(config) as server:
        yield server


def _address(server, transport):
    scheme = "http://" if transport == "REST" else ""
    port = server.rest_port if transport == "REST" else server.grpc_port
    return f"{scheme}127.0.0.1:{port}"


@pytest.fixture(scope="module", params=["REST", "gRPC"])
def client(request, server):
    with Client(_address(server, request.param), "mine") as client:
        client.address = _address(server, request.param)
        yield client


def test_beams_are_those_of_python(client, generator):
    asked = dict(
        beams=[3, 2, 8, 4],
        length_penalty=[0.6, 0.0, 1.0, -1.0],
        max_new_tokens=[9, 20, 7, 0],
    )
    rows = client.beam(PROMPTS, num_return=8, **asked)
    results = generator.beam_search(PROMPTS, num_return=2, **asked)
    for row, result in zip(rows, results, strict=True):
        assert (row.prompt, row.error) == (result.prompt, "")
        assert row.prompt_truncated is result.prompt_truncated
        pairs = zip(row.hypotheses, result.hypotheses, strict=False)
        for ours, theirs in pairs:
            assert ours.text == theirs.text == ours.text_bytes.decode()
            assert ours.token_ids == theirs.token_ids
            assert ours.finish_reason == theirs.finish_reason
            assert ours.score == pytest.approx(theirs.score, abs=1e-4)
            assert ours.total_logprob == pytest.approx(
                theirs.total_logprob, abs=1e-4
            )
    assert [len(row.hypotheses) for row in rows] == [3, 2, 8, 1]
    bad, good = client.beam(PROMPTS[:2], beams=[9, 2], max_new_tokens=20)
    assert "from 1 to 8" in bad.error and bad.hypotheses == ()
    assert len(good.hypotheses) == 1
    assert client.beam(PROMPTS[1], beams=2, max_new_tokens=20) == good
    with pytest.raises(ValueError, match="`num_return` must be"):
        client.beam("a", num_return=0)
    with pytest.raises(ValueError, match="`num_beams` must be an integer"):
        client.beam("a", beams=1.5)


@pytest.fixture(scope="module")
def expected(generator):
    return generator.generate(PROMPTS, **ROWS)


def test_answers_are_those_of_python(client, expected):
    rows = client.generate(PROMPTS, **ROWS)
    for row, result in zip(rows, expected, strict=True):
        assert (row.prompt, row.text) == (result.prompt, result.text)
        assert row.text_bytes.decode("utf-8", "replace") == row.text
        assert row.token_ids == result.token_ids
        assert row.finish_reason == result.finish_reason
        assert (row.seed, row.error) == (result.seed, "")
        assert row.prompt_truncated is result.prompt_truncated
        assert row.top_token_ids == result.top_token_ids
        np.testing.assert_allclose(row.logprobs, result.logprobs, atol=1e-4)
        np.testing.assert_allclose(
            row.top_logprobs, result.top_logprobs, atol=1e-4
        )
    settings = {name: values[0] for name, values in ROWS.items()}
    alone = client.generate(PROMPTS[0], **settings)
    assert alone.token_ids == rows[0].token_ids


def _plain_columns():
    values = make_settings(len(PROMPTS), **ROWS)
    columns = {"prompts": PROMPTS, **values._asdict()}
    return columns | {"steps": [0] * 4, "continuation": [""] * 4}


def _plain_rest(server, columns):
    lists = {name: list(np.asarray(x).tolist()) for name, x in columns.items()}
    request = urllib.request.Request(
        f"{_address(server, 'REST')}/v1/models/mine:predict",
        json.dumps({"signature_name": "generate", "inputs": lists}).encode(),
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["outputs"]


def _plain_grpc(server, columns):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "mine"
    request.model_spec.signature_name = "generate"
    for name, values in columns.items():
        dtype = SETTINGS[name].dtype if name in SETTINGS else None
        dtype = tf.int32 if name == "steps" else dtype
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values, dtype))
    with grpc.insecure_channel(_address(server, "gRPC")) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answer = stub.Predict(request, timeout=60)
    return {
        name: tf.make_ndarray(tensor).tolist()
        for name, tensor in answer.outputs.items()
    }


def test_a_plain_client_gets_the_same(server, client):
    columns = _plain_columns()
    by_rest = _plain_rest(server, columns)
    by_grpc = _plain_grpc(server, columns)
    ours = client.predict("generate", columns)
    assert ours.keys() == by_rest.keys() == by_grpc.keys()
    for name, column in ours.items():
        if name.endswith("logprobs"):
            np.testing.assert_allclose(column, by_rest[name], atol=1e-4)
            np.testing.assert_allclose(column, by_grpc[name], atol=1e-4)
        elif isinstance(column, list):
            assert column == _decoded(name, by_rest[name])
            assert column == _decoded(name, by_grpc[name])
        else:
            assert column.tolist() == by_rest[name] == by_grpc[name]


def _decoded(name, values):
    """What the wire has, as the client gives it."""
    values = [
        base64.b64decode(x["b64"]) if isinstance(x, dict) else x for x in values
    ]
    if name.endswith("_bytes"):
        return values
    return [x.decode() if isinstance(x, bytes) else x for x in values]


@pytest.mark.parametrize("row", range(4))
@pytest.mark.parametrize("tokens_per_call", [1, 7, 100])
def test_a_stream_is_one_call(client, expected, row, tokens_per_call):
    settings = {name: values[row] for name, values in ROWS.items()}
    stream = client.stream(
        PROMPTS[row], tokens_per_call=tokens_per_call, **settings
    )
    pieces = list(stream)
    assert "".join(pieces) == expected[row].text
    assert all(pieces) and list(stream) == []
    assert stream.finish_reason == expected[row].finish_reason
    assert stream.prompt_truncated is expected[row].prompt_truncated
    assert (stream.seed, stream.version) == (settings["seed"], 1)
    if tokens_per_call == 1:
        # Characters, few of them held back for a stop text.
        assert 3 * len(pieces) >= len(expected[row].text)
        assert stream.bytes_sent > 0


def test_a_drawn_seed_goes_on_and_is_told(client):
    stream = client.stream("a", seed=-1, max_new_tokens=12, tokens_per_call=2)
    text = "".join(stream)
    again = client.generate("a", seed=stream.seed, max_new_tokens=12)
    assert again.text == text


def test_a_bad_row_has_its_error_and_its_neighbours_answers(client, expected):
    bad, good = client.generate(
        PROMPTS[:2],
        **{name: values[:2] for name, values in ROWS.items()}
        | {"temperature": [-1.0, 1.0]},
    )
    assert "`temperature` must be" in bad.error and not bad.text
    assert bad.finish_reason == "invalid"
    assert good.text == expected[1].text and not good.error
    with pytest.raises(InvalidRequestError, match="`temperature` must be"):
        next(client.stream("a", temperature=-1))


def test_status_and_metadata_are_the_same_by_both(server, client):
    (status,) = client.status()
    assert status == (1, "AVAILABLE", "OK", "")
    metadata = client.metadata()
    with Client(_address(server, "REST"), "mine") as other:
        assert metadata == other.metadata()
    assert metadata.version == 1
    assert metadata.signatures.keys() == {"serving_default", *SIGNATURES}
    inputs = metadata.signatures["generate"].inputs
    assert inputs["seed"] == ("int64", (-1,))
    assert inputs["prompts"] == ("string", (-1,))


def test_what_the_server_lacks_is_told(client):
    for wrong in ({"version": 9}, {"label": "stable"}):
        with Client(client.address, "mine", **wrong) as other:
            with pytest.raises((NotFoundError, InvalidRequestError)):
                other.complete("a")
    with Client(client.address, "yours") as other:
        with pytest.raises(NotFoundError, match="yours"):
            other.complete("a")
    with pytest.raises(NotFoundError, match="no signature 'complete'"):
        client.complete("a", seed=1)


def test_the_caller_s_mistakes_are_told(client):
    with pytest.raises(ValueError, match="one value, or one for each of the 2"):
        client.generate(["a", "b"], top_k=[1])
    with pytest.raises(ValueError, match="A setting must be one of"):
        client.generate("a", heat=1)
    with pytest.raises(ValueError, match="`top_k` must be an integer"):
        client.stream("a", top_k=0.5)
    with pytest.raises(ValueError, match="`generate` takes all"):
        client.complete("a", top_k=1)
    with pytest.raises(ValueError, match="`prompts` must be one text"):
        client.generate(["a", "\ud800"])
    with pytest.raises(ValueError, match="`tokens_per_call` must be"):
        client.stream("a", tokens_per_call=0)


@pytest.mark.parametrize("flag", [(), ("--stream", "--tokens_per_call=3")])
def test_the_program_prints_prompt_and_completion(
    client, expected, capsys, flag
):
    arguments = [f"--server={client.address}", "--model_name=mine", *flag]
    arguments += [f"--prompt={PROMPTS[1]}", "--max_new_tokens=9", "--seed=1"]
    arguments += ["--temperature=1", "--top_p=0.9", "--banned=t"]
    assert query.main(program.parse(query.define_flags, *arguments)) == 0
    assert capsys.readouterr().out == f"{expected[1].text}\n"


def test_the_program_prints_the_best_hypotheses(client, capsys):
    arguments = [f"--server={client.address}", "--model_name=mine"]
    arguments += ["--signature=beam", "--prompt=the cat", "--beams=3"]
    arguments += ["--max_new_tokens=9", "--length_penalty=1"]
    (best, *_) = client.beam(
        "the cat", beams=3, max_new_tokens=9, length_penalty=1
    ).hypotheses
    assert query.main(program.parse(query.define_flags, *arguments)) == 0
    assert capsys.readouterr().out == f"the cat{best.text}\n"
    arguments.append("--num_return=2")
    assert query.main(program.parse(query.define_flags, *arguments)) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{best.score:.4f}  the cat{best.text}\n")
