"""Makes a token store without importing TensorFlow, for what is to be killed.

    sharding_program.py whole PATTERN TOKENIZER STORE WORKERS
    sharding_program.py each_instant PATTERN TOKENIZER FOLDER

The second ends the program at its first, second, … change of a file, each
time in a process and folder of its own, and has another one go on.
"""

import functools
import os
import pathlib
import sys
import types

package = types.ModuleType("gpt_keras")
package.__path__ = [str(pathlib.Path(__file__).parents[2] / "gpt_keras")]
sys.modules["gpt_keras"] = package

from gpt_keras.data.sources import TextFiles  # noqa: E402
from gpt_keras.data.splitting import split_documents  # noqa: E402
from gpt_keras.data.token_store_writing import write_token_store  # noqa: E402
from gpt_keras.data.unfinished_store import UnfinishedStore  # noqa: E402
from gpt_keras.text import tokenizer_file  # noqa: E402
from gpt_keras.text.host_encoding import make_encoder  # noqa: E402

UNIT_CHARACTERS = 1000
CHANGES = ("mkdir", "replace", "rename", "unlink", "rmdir", "fsync")


class HostTokenizer:
    """A tokenizer that was saved, without its half for the graph."""

    def __init__(self, folder):
        self.content = tokenizer_file.read(folder)
        self.fingerprint = tokenizer_file.fingerprint(self.content)
        vocabulary = self.content["vocabulary"]
        self.vocab_size = len(vocabulary)
        self.end_of_text_id = vocabulary["<|endoftext|>"]
        self.encode_batch = make_encoder(self.content).encode_batch

    def save(self, folder):
        tokenizer_file.write(folder, self.content)


def make_store(pattern, tokenizer, store, workers=0):
    source = TextFiles(pattern)
    write_token_store(
        store,
        split_documents(source),
        tokenizer=HostTokenizer(tokenizer),
        source={"kind": "test"},
        workers=int(workers),
        unit_characters=UNIT_CHARACTERS,
    )


def end_at_every_instant(pattern, tokenizer, folder):
    instant, ended = 0, True
    while ended:
        store = f"{folder}/{instant}"
        ended = _in_process(make_store, pattern, tokenizer, store, end=instant)
        _in_process(_go_on, pattern, tokenizer, store)
        instant += 1
    print(instant)


def _go_on(pattern, tokenizer, store):
    UnfinishedStore(store).complete_interrupted()
    if not os.path.exists(store):
        make_store(pattern, tokenizer, store)


def _in_process(function, *arguments, end=None) -> bool:
    """Calls a function; returns whether its process was ended."""
    child = os.fork()
    if child == 0:
        if end is not None:
            _end_at(end)
        function(*arguments)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 9), code
    return code == 9


def _end_at(instant: int) -> None:
    """Ends the process instead of its n-th change of a file."""
    left = instant

    def guarded(change, *arguments, **keywords):
        nonlocal left
        if left == 0:
            os._exit(9)
        left -= 1
        return change(*arguments, **keywords)

    for name in CHANGES:
        change = getattr(os, name)
        setattr(os, name, functools.partial(guarded, change))


if __name__ == "__main__":
    if sys.argv[1] == "whole":
        make_store(*sys.argv[2:])
    else:
        end_at_every_instant(*sys.argv[2:])
    assert "tensorflow" not in sys.modules
