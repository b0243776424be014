"""Trains the model of a nanoGPT folder as its `train.py` does on a GPU."""

import gpu
import numpy as np
import torch
import worker
from train_nanogpt import make_nanogpt


def make(options):
    """Options: `folder`, nanoGPT's; `config`, fields of `TrainConfig`;
    `vocab_size`; `steps`.
    """
    config, steps = options["config"], options["steps"]
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    model, optimizer = make_nanogpt(
        options["folder"], config, options["vocab_size"], "cuda"
    )
    parameters = model.get_num_params()
    model = torch.compile(model)
    batch = _batches(options["vocab_size"], config)

    def repeat():
        for _ in range(steps):
            inputs, labels = batch()
            with torch.autocast("cuda", dtype=torch.bfloat16):
                _, loss = model(inputs, labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        return {
            "units": steps * config["batch_size"] * config["max_length"],
            "steps": steps,
            "loss": loss.item(),
            "peak_bytes": torch.cuda.max_memory_allocated(),
        }

    device = torch.cuda.get_device_name()
    facts = gpu.flops_facts(device, parameters, config)
    return {"torch": torch.__version__, **facts}, repeat


def _batches(vocab_size, config):
    length, batch_size = config["max_length"], config["batch_size"]
    data = worker.random_ids(200_000, vocab_size).astype(np.uint16)

    def batch():
        starts = torch.randint(len(data) - length, (batch_size,)).tolist()
        windows = [data[i : i + length + 1].astype(np.int64) for i in starts]
        windows = torch.from_numpy(np.stack(windows))
        pair = windows[:, :-1].contiguous(), windows[:, 1:].contiguous()
        return [x.pin_memory().to("cuda", non_blocking=True) for x in pair]

    return batch


if __name__ == "__main__":
    worker.serve(make)
