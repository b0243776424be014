"""Ranges of ids come out of files, however many there are."""

import os
import threading

import numpy as np
import pytest

from gpt_keras.data.shard_files import OpenFiles
from gpt_keras.data.shard_files import ShardFile


@pytest.fixture
def shards(tmp_path):
    """Ten shards of 100 ids, of which three are open at a time."""
    files = OpenFiles(most=3)
    found = []
    for number in range(10):
        ids = np.arange(100) + 100 * number
        ids.astype("<u4").tofile(tmp_path / f"{number}.bin")
        path = tmp_path / f"{number}.bin"
        found.append(ShardFile(path, "<u4", 100, files))
    return found


@pytest.mark.parametrize("first, last", [(0, 100), (7, 8), (90, 300), (5, 5)])
def test_slices_are_those_of_an_array(shards, first, last):
    for number, shard in enumerate(shards):
        expected = np.arange(100)[first:last] + 100 * number
        assert np.array_equal(shard[first:last], expected)
        assert len(shard) == 100


def test_few_files_are_open_whoever_reads(shards, tmp_path):
    def open_files():
        places = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
        # One that is closed in between stays what it is called here.
        paths = [os.path.realpath(place, strict=False) for place in places]
        return sum(path.startswith(str(tmp_path)) for path in paths)

    wrong, most = [], 0

    def read(seed):
        nonlocal most
        for place in np.random.default_rng(seed).integers(0, 999, 80).tolist():
            number, offset = divmod(place, 100)
            if shards[number][offset : offset + 1] != [place]:
                wrong.append(place)
            most = max(most, open_files())

    threads = [
        threading.Thread(target=read, args=[n], daemon=True) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert 0 < most <= 3


def test_a_file_cut_while_it_is_read_is_named(shards, tmp_path):
    os.truncate(tmp_path / "2.bin", 40)
    assert shards[2][0:10].tolist() == list(range(200, 210))
    with pytest.raises(ValueError, match="2.bin.*80 bytes.*Received: 40"):
        shards[2][5:20]
