"""A vocabulary that fits together passes; what does not is named."""

import json

import numpy as np
import pytest

from gpt_keras.text import byte_pair_vocabulary
from gpt_keras.text.byte_pair_vocabulary import BYTE_CHARACTERS
from gpt_keras.text.byte_pair_vocabulary import BytePairVocabulary
from gpt_keras.text.special_tokens import END_OF_TEXT

BYTES = {character: n for n, character in enumerate(BYTE_CHARACTERS)}
IDS = {**BYTES, "Ġa": 256, "Ġab": 257}
MERGES = [("Ġ", "a"), ("Ġa", "b")]


def test_byte_characters_are_gpt2s():
    assert len(set(BYTE_CHARACTERS)) == 256
    assert not any(c.isspace() or c == "\xad" for c in BYTE_CHARACTERS)
    assert BYTE_CHARACTERS[ord("A")] == "A"
    assert BYTE_CHARACTERS[ord(" ")] == "Ġ"
    assert BYTE_CHARACTERS[ord("\n")] == "Ċ"
    assert BYTE_CHARACTERS[0xAD] == "Ń"


def test_special_tokens_get_the_ids_after_the_vocabulary():
    vocabulary = BytePairVocabulary(IDS, MERGES, ["<|a|>"])
    assert vocabulary.ids[END_OF_TEXT] == 258
    assert vocabulary.ids["<|a|>"] == 259
    assert IDS.keys().isdisjoint([END_OF_TEXT, "<|a|>"])


def test_special_tokens_keep_the_ids_that_they_have():
    ids = {token: n + 1 for token, n in IDS.items()} | {END_OF_TEXT: 0}
    vocabulary = BytePairVocabulary(ids, MERGES, [])
    assert vocabulary.ids == ids
    assert vocabulary.token_bytes()[0] == b""


def test_numbers_for_the_graph():
    vocabulary = BytePairVocabulary(IDS, MERGES, [])
    np.testing.assert_array_equal(vocabulary.byte_ids(), np.arange(256))
    np.testing.assert_array_equal(
        vocabulary.merge_ids(), [[32, 97, 256], [256, 98, 257]]
    )
    pieces = vocabulary.token_bytes()
    assert pieces[:256] == [bytes([n]) for n in range(256)]
    assert pieces[256:] == [b" a", b" ab", b""]


@pytest.mark.parametrize(
    "ids, merges, special_tokens, fault",
    [
        ({"a": 0}, [], [], "256 bytes"),
        ({**IDS, "cd": 300}, MERGES, [], "each once"),
        ({**IDS, "cd": 257}, MERGES, [], "each once"),
        ({**IDS, "cd": -1}, MERGES, [], "each once"),
        ({**IDS, "cd": 258.0}, MERGES, [], "integer ids"),
        ({**IDS, "cd": True}, MERGES, [], "integer ids"),
        ({**IDS, "c d": 258}, MERGES, [], "spelled"),
        ({**IDS, "": 258}, MERGES, [], "spelled"),
        (IDS, [("Ġ", "a"), ("Ġ", "a")], [], "twice"),
        (IDS, [("Ġ", "b")], [], "without 'Ġb'"),
        (IDS, [("xy", "b")], [], "without 'xy'"),
        (IDS, [("Ġ", "a", "b")], [], "two tokens"),
        (IDS, MERGES[:1], [], "no byte must be special.*'Ġab'"),
        (IDS, MERGES, ["Ġab"], "what text can give"),
        (IDS, MERGES, ["a"], "what text can give"),
    ],
)
def test_what_does_not_fit_is_refused(ids, merges, special_tokens, fault):
    with pytest.raises(ValueError, match=fault):
        BytePairVocabulary(ids, merges, special_tokens)


def test_gpt2_files_come_back(tmp_path):
    vocabulary = BytePairVocabulary(IDS, MERGES, ["<|é|>"])
    byte_pair_vocabulary.write_gpt2_files(tmp_path, vocabulary)
    ids, merges = byte_pair_vocabulary.read_gpt2_files(
        tmp_path / "vocab.json", tmp_path / "merges.txt"
    )
    assert ids == vocabulary.ids
    assert merges == vocabulary.merges


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_merges_may_lack_the_header_and_the_last_newline(tmp_path, end):
    (tmp_path / "v").write_text(json.dumps(IDS), encoding="utf-8")
    (tmp_path / "m").write_bytes(f"# #{end or chr(10)}Ġ a{end}".encode())
    _, merges = byte_pair_vocabulary.read_gpt2_files(
        tmp_path / "v", tmp_path / "m"
    )
    assert merges == [("#", "#"), ("Ġ", "a")]


@pytest.mark.parametrize(
    "vocab, merges, fault",
    [
        (b"{", b"", "v is not valid JSON"),
        (b'{"a": 0, "a": 1}', b"", "v is not valid JSON.*twice"),
        (b"{}", b"\xff", "m is not UTF-8"),
        (b"{}", b"#version: 0.2\na b\na  b\n", "m must have.*line 3"),
        (b"{}", b"ab\n", "m must have.*line 1"),
    ],
)
def test_a_broken_file_is_named(tmp_path, vocab, merges, fault):
    (tmp_path / "v").write_bytes(vocab)
    (tmp_path / "m").write_bytes(merges)
    with pytest.raises(ValueError, match=fault):
        byte_pair_vocabulary.read_gpt2_files(tmp_path / "v", tmp_path / "m")
