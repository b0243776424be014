"""Trains the model of a nanoGPT folder as its `train.py` does on a CPU."""

import contextlib
import sys

import numpy as np
import torch
import worker


def make_nanogpt(folder, config, vocab_size, device="cpu"):
    """Returns nanoGPT's model and optimizer.

    Args:
        folder: nanoGPT's.
        config: Fields of `TrainConfig`.
        vocab_size: The number of ids.
        device: Where they are, `"cpu"` or `"cuda"`.
    """
    sys.path.insert(0, folder)
    import model as nanogpt

    with contextlib.redirect_stdout(sys.stderr):
        model = nanogpt.GPT(
            nanogpt.GPTConfig(
                block_size=config["max_length"],
                vocab_size=vocab_size,
                n_layer=config["num_layers"],
                n_head=config["num_heads"],
                n_embd=config["d_model"],
                dropout=config.get("rate", 0.0),
                bias=config.get("use_bias", True),
            )
        )
        model.to(device)
        optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.99), device)
    return model, optimizer


def make(options):
    """Options: `folder`, nanoGPT's; `config`, fields of `TrainConfig`;
    `vocab_size`; `steps`; `autocast`, whether to bfloat16.
    """
    config, steps = options["config"], options["steps"]
    length, batch_size = config["max_length"], config["batch_size"]
    torch.manual_seed(0)
    model, optimizer = make_nanogpt(
        options["folder"], config, options["vocab_size"]
    )
    data = worker.random_ids(200_000, options["vocab_size"]).astype(np.uint16)

    def batch():
        starts = torch.randint(len(data) - length, (batch_size,)).tolist()
        windows = [data[i : i + length + 1].astype(np.int64) for i in starts]
        windows = torch.from_numpy(np.stack(windows))
        return windows[:, :-1].contiguous(), windows[:, 1:].contiguous()

    def autocast():
        if options.get("autocast"):
            return torch.autocast("cpu", dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def repeat():
        for _ in range(steps):
            inputs, labels = batch()
            with autocast():
                _, loss = model(inputs, labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        tokens = steps * batch_size * length
        return {"units": tokens, "steps": steps, "loss": loss.item()}

    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "parameters": sum(x.numel() for x in model.parameters()),
    }, repeat


if __name__ == "__main__":
    worker.serve(make)
