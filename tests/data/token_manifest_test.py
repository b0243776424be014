"""A manifest that is missing, broken or changed is refused by name."""

import json

import pytest

from gpt_keras.data.token_manifest import MANIFEST
from gpt_keras.data.token_manifest import new_manifest
from gpt_keras.data.token_manifest import read_manifest
from gpt_keras.data.token_manifest import write_manifest


@pytest.fixture
def written(tmp_path):
    write_manifest(tmp_path, new_manifest() | {"source": "é漢", "tokens": 12})
    return tmp_path / MANIFEST


def test_what_is_written_is_read(written):
    manifest = read_manifest(written.parent)
    assert (manifest["source"], manifest["tokens"]) == ("é漢", 12)


def test_every_flipped_byte_is_noticed(written):
    data = written.read_bytes()
    original = read_manifest(written.parent)
    for index in range(len(data)):
        flipped = bytearray(data)
        flipped[index] ^= 1
        written.write_bytes(bytes(flipped))
        try:
            assert read_manifest(written.parent) == original
        except ValueError as error:
            assert str(written) in str(error)


def test_missing_manifest(tmp_path):
    with pytest.raises(FileNotFoundError, match=MANIFEST):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "must be JSON"),
        ('{"format": ', "must be JSON"),
        ("[]", "must be the manifest"),
        ('{"format": "another"}', "must be the manifest"),
    ],
)
def test_other_content(written, content, message):
    written.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_manifest(written.parent)


def test_other_version(written):
    manifest = json.loads(written.read_text()) | {"version": 99}
    written.write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="Received: 99"):
        read_manifest(written.parent)


def test_changed_count(written):
    manifest = json.loads(written.read_text()) | {"tokens": 13}
    written.write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="SHA-256"):
        read_manifest(written.parent)
