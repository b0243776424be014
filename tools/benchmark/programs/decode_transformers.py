"""Writes greedily with Hugging Face's GPT-2 by its own `generate`."""

import torch
import transformers
import worker


def make(options):
    """Options: `model`, arguments of this project's `GPTModel`; `rows`;
    `prompt_tokens`; `new_tokens`.
    """
    arguments = options["model"]
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    config = transformers.GPT2Config(
        vocab_size=arguments["vocab_size"],
        n_positions=arguments["max_length"],
        n_embd=arguments["d_model"],
        n_layer=arguments["num_layers"],
        n_head=arguments["num_heads"],
        n_inner=arguments["dff"],
        bos_token_id=None,
        eos_token_id=None,
    )
    model = transformers.GPT2LMHeadModel(config).eval()
    rows, length = options["rows"], options["prompt_tokens"]
    new_tokens = options["new_tokens"]
    ids = worker.random_ids(rows * length, arguments["vocab_size"])
    ids = torch.from_numpy(ids.reshape(rows, length))

    def repeat():
        made = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=new_tokens,
            min_new_tokens=new_tokens,
            do_sample=False,
            pad_token_id=0,
        )
        return {
            "units": rows * new_tokens,
            "first_tokens": made[0, length : length + 4].tolist(),
        }

    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "threads": torch.get_num_threads(),
        "parameters": model.num_parameters(),
    }, repeat


if __name__ == "__main__":
    worker.serve(make)
