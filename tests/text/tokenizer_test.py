"""A saved tokenizer comes back, and runs where there is only TensorFlow."""

import json
import sys

import limited_process
import pytest
import tensorflow as tf

from gpt_keras.text.character_tokenizer import CharacterTokenizer
from gpt_keras.text.tokenizer import load_tokenizer
from gpt_keras.text.tokenizer_training import train_byte_pair

TEXTS = [
    "low lower lowest",
    "",
    "É漢👍🏽 \u3000x<|endoftext|>\0",
    "\ufffd's  1",
]

# Prints the ids and the texts that the export gives, as JSON, and its ops.
READER = """
import json, sys
import tensorflow as tf
folder, texts = sys.argv[1], json.loads(sys.argv[2])
texts = [text.encode() for text in texts]
serve = tf.saved_model.load(folder).signatures["serving_default"]
eager = serve(texts=tf.constant(texts))
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    meta = tf.compat.v1.saved_model.load(session, ["serve"], folder)
    signature = meta.signature_def["serving_default"]
    old = session.run(
        {key: value.name for key, value in signature.outputs.items()},
        {signature.inputs["texts"].name: texts},
    )
graph = serve.graph.as_graph_def()
ops = {node.op for node in graph.node}
ops |= {node.op for f in graph.library.function for node in f.node_def}
assert "gpt_keras" not in sys.modules
print(json.dumps({
    "eager_ids": eager["ids"].numpy().tolist(),
    "ids": old["ids"].tolist(),
    "texts": [text.decode() for text in old["texts"]],
    "ops": sorted(ops),
}))
"""


_WRONG = [None, 5, "x y", [], [1], [None], {}, {"a": 1}, [["a"]]]


class _Export(tf.Module):
    def __init__(self, tokenizer):
        super().__init__()
        self.tokenizer = tokenizer

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, "texts")],
        autograph=False,
    )
    def serve(self, texts):
        ids = self.tokenizer.tokenize(texts)
        padded = ids.to_tensor(self.tokenizer.end_of_text_id)
        back = self.tokenizer.detokenize(padded, ids.row_lengths())
        return {"ids": padded, "texts": back}


@pytest.fixture(scope="module", params=["byte_pair", "character"])
def tokenizer(request):
    if request.param == "byte_pair":
        documents = ["low low lower lowest É漢 漢", *TEXTS]
        return train_byte_pair(documents, 275, special_tokens=["<|user|>"])
    return CharacterTokenizer("".join(sorted(set("".join(TEXTS)))), ["<|é|>"])


def test_a_saved_tokenizer_comes_back(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "a")
    again = load_tokenizer(tmp_path / "a")
    assert type(again) is type(tokenizer)
    assert again.fingerprint == tokenizer.fingerprint
    assert again.special_tokens == tokenizer.special_tokens
    assert [again.encode(x) for x in TEXTS] == [
        tokenizer.encode(x) for x in TEXTS
    ]
    again.save(tmp_path / "b")
    first, second = (tmp_path / f / "tokenizer.json" for f in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_an_export_needs_tensorflow_only(tokenizer, tmp_path):
    module = _Export(tokenizer)
    tf.saved_model.save(module, str(tmp_path / "export"))
    done = limited_process.run(
        [sys.executable, "-c", READER, tmp_path / "export", json.dumps(TEXTS)],
        capture_output=True,
        check=True,
        cwd=tmp_path,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    rows = [tokenizer.encode(text) for text in TEXTS]
    width = max(map(len, rows))
    end = tokenizer.end_of_text_id
    padded = [row + [end] * (width - len(row)) for row in rows]
    assert result["ids"] == result["eager_ids"] == padded
    assert result["texts"] == TEXTS
    forbidden = ("Assign", "MutableHashTable", "PyFunc", "Assert", "Xla")
    bad = [op for op in result["ops"] if any(x in op for x in forbidden)]
    assert not bad


@pytest.mark.parametrize(
    "change, fault",
    [
        ({"kind": "words"}, "of the kind"),
        ({"version": 9}, "format version"),
        ({"special_tokens": None}, "tokenizer.json: "),
        ({"more": 1}, "differs in: .*more"),
    ],
)
def test_a_changed_file_is_refused(tokenizer, tmp_path, change, fault):
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **change}), encoding="utf-8")
    with pytest.raises(ValueError, match=fault) as error:
        load_tokenizer(tmp_path)
    assert str(path) in str(error.value)


def test_any_missing_or_wrong_field_is_refused(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for field in content:
        without = {k: v for k, v in content.items() if k != field}
        for changed in (without, *({**content, field: v} for v in _WRONG)):
            path.write_text(json.dumps(changed), encoding="utf-8")
            with pytest.raises(ValueError, match="tokenizer.json"):
                load_tokenizer(tmp_path)


def test_a_file_cut_short_is_refused(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="not valid JSON"):
        load_tokenizer(tmp_path)
