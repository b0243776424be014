"""Trains on two hosts of one machine for `hosts_test`: see `forked_runs`."""

import hashlib
import json
import os
import pathlib
import signal
import socket
import sys

import numpy as np
from forked_runs import fork_each

from gpt_keras.cli import program
from gpt_keras.cli import train
from gpt_keras.training.callbacks import Agreement

_FLAGS = """
    --tokenizer=character --d_model=16 --num_heads=2 --dff=32 --num_layers=1
    --max_length=8 --batch_size=4 --rate=0 --steps=12 --warmup_steps=2
    --ema_decay=0.9 --log_every=1 --validate_every=5 --validation_batches=3
    --checkpoint_every=4 --sample_every=6 --peak_teraflops=1
""".split()


def run(folders, flags=((), ()), kill=None, term=None) -> list[dict]:
    """Trains on as many hosts as there are folders.

    Args:
        folders: The model folder of each.
        flags: More flags of each.
        kill: A host and the step it is killed at.
        term: A host and the step it gets a SIGTERM at.

    Returns:
        Of each its exit status, what it printed, and a hash of its variables.
    """
    addresses = _free_addresses(len(folders))
    children = []
    for index, folder in enumerate(folders):
        signals = {
            number: at[1]
            for number, at in ((signal.SIGKILL, kill), (signal.SIGTERM, term))
            if at and at[0] == index
        }
        arguments = [*_FLAGS, f"--model_dir={folder}", *flags[index]]
        children.append(_start(addresses, index, arguments, signals))
    return {"hosts": [_wait(*child) for child in children]}


def _free_addresses(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    for opened in sockets:
        opened.bind(("127.0.0.1", 0))
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return [f"127.0.0.1:{port}" for port in ports]


def _start(addresses, index, arguments, signals):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        os.environ["TF_CONFIG"] = json.dumps(
            {
                "cluster": {"worker": addresses},
                "task": {"type": "worker", "index": index},
            }
        )
        _train(arguments, signals)
    os.close(writing)
    return child, reading


def _wait(child, reading) -> dict:
    with open(reading, "rb") as pipe:
        lines = pipe.read().decode("utf-8", "replace").splitlines()
    _, status = os.waitpid(child, 0)
    found = [line[7:] for line in lines if line.startswith("digest ")]
    return {
        "status": os.waitstatus_to_exitcode(status),
        "printed": "\n".join(lines),
        "digest": found[0] if found else None,
    }


def _train(arguments, signals):
    """Runs the program, and prints a hash of what it trained, if it ends."""
    models = []
    known_train, known_step = train.trainer.train, Agreement.at_step

    def trained(*args, **kwargs):
        model, finished = known_train(*args, **kwargs)
        models.append(model)
        return model, finished

    def at_step(callback, step, logs):
        for number in [x for x, at in signals.items() if step >= at]:
            signals.pop(number)
            os.kill(os.getpid(), number)
        known_step(callback, step, logs)

    train.trainer.train = trained
    train._sampler = lambda *args: _sample
    train._report = lambda *args: None  # it takes longer than the training
    Agreement.at_step = at_step
    sys.argv = ["train", *arguments]
    try:
        program.run(train.define_flags, train.main)
    except SystemExit as end:
        for model in models:
            print(f"\ndigest {_digest(model)}")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code or 0)


def _sample(model) -> str:
    """Stands for a text, which the chief writes while the others wait."""
    return str(model(np.ones((1, 3), "int32")).numpy().shape)


def _digest(model) -> str:
    total = hashlib.sha256()
    variables = [*model.variables, *model.optimizer.variables]
    for variable in [*variables, *model.step_state.variables]:
        total.update(variable.numpy().tobytes())
    return total.hexdigest()


def scenarios(directory) -> dict:
    """Returns what each of some runs found, by name."""
    base = pathlib.Path(directory)
    text = f"--text={base / 'text.txt'}"
    flags = [[text], [text]]
    other = [[text], [text, "--batch_size=8", "--seed=1"]]
    shared = [str(base / "killed")] * 2
    # The second host sees the chief's tokens, and has a folder of its own.
    apart = [str(base / "two"), str(base / "other")]
    return {
        "one": run([str(base / "one")], flags),
        "two": run(apart, flags),
        "refused": run([str(base / "refused")] * 2, other),
        "killed": run(shared, flags, kill=(1, 6)),
        "stopped": run(shared, flags, term=(1, 9)),
        "restarted": run(shared, flags),
    }


if __name__ == "__main__":
    fork_each(scenarios)
