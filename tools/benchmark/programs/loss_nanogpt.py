"""Trains nanoGPT's model on characters for a whole run, and validates.

The schedule is that of its `config/train_shakespeare_char.py` with the
changes that its README names for a CPU.
"""

import math
import time

import torch
import worker
from train_nanogpt import make_nanogpt

_PEAK, _LEAST, _WARM_UP = 1e-3, 1e-4, 100


def make(options):
    """Options: `folder`, nanoGPT's; `config`, fields of `TrainConfig`;
    `text`, a file; `steps`; `seed`.
    """
    train, validation, vocab_size = worker.characters(options["text"])
    config, steps = options["config"], options["steps"]
    length, batch_size = config["max_length"], config["batch_size"]
    torch.manual_seed(options["seed"])
    model, optimizer = make_nanogpt(options["folder"], config, vocab_size)
    ids = torch.from_numpy(train.astype("int64"))
    places = torch.arange(length)

    def batch():
        starts = torch.randint(len(ids) - length, (batch_size, 1))
        return ids[starts + places], ids[starts + places + 1]

    def repeat():
        began = time.perf_counter()
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = _learning_rate(step, steps)
            inputs, labels = batch()
            _, loss = model(inputs, labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        trained = time.perf_counter()
        loss = _loss(model, *worker.windows(validation, length))
        return {
            "units": 1,
            "seconds": trained - began,
            "apart_seconds": time.perf_counter() - trained,
            "steps": steps,
            "val_loss": loss,
        }

    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "parameters": sum(x.numel() for x in model.parameters()),
    }, repeat


def _learning_rate(step, steps):
    if step < _WARM_UP:
        return _PEAK * (step + 1) / (_WARM_UP + 1)
    share = (step - _WARM_UP) / (steps - _WARM_UP)
    return _LEAST + (_PEAK - _LEAST) * (1 + math.cos(math.pi * share)) / 2


@torch.no_grad()
def _loss(model, inputs, labels):
    model.eval()
    total = 0.0
    for begin in range(0, len(inputs), 64):
        part = [
            torch.from_numpy(x[begin : begin + 64]) for x in (inputs, labels)
        ]
        _, loss = model(*part)
        total += loss.item() * part[1].numel()
    return total / labels.size


if __name__ == "__main__":
    worker.serve(make)
