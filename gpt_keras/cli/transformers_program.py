"""A program as text, for a Python that has `transformers` and not this
project: a folder and arrays in, logits, texts and losses out.
"""

# Its argument is a JSON object: `folder` to open, `inputs` and `outputs`, the
# .npz files, `changed`, a folder to write with other weights, and `tokens`,
# how many to write. It is run as text because it imports what this project
# doesn't depend on.
TRANSFORMERS_PROGRAM = r"""
import json
import sys

import numpy as np
import torch
import transformers

job = json.loads(sys.argv[1])
inputs = np.load(job["inputs"])
torch.manual_seed(0)
torch.set_grad_enabled(False)
model = transformers.GPT2LMHeadModel.from_pretrained(job["folder"]).eval()
tokenizer = transformers.GPT2Tokenizer.from_pretrained(job["folder"])
found = {}


def logits():
    ids = torch.from_numpy(inputs["ids"])
    return model(ids).logits.float().numpy()


def losses():
    for ids, weights in zip(inputs["windows"], inputs["weights"]):
        ids = torch.from_numpy(ids)
        scores = model(ids[None, :-1]).logits[0].float()
        yield float(
            torch.nn.functional.cross_entropy(scores, ids[1:], reduction="none")
            .double()
            .dot(torch.from_numpy(weights))
        )


found["logits"] = logits()
if "windows" in inputs:
    found["loss"] = sum(losses()) / inputs["weights"].sum()
texts, prompts = [], []
for prompt in inputs["prompts"].tolist():
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
    prompts.append(ids[0].tolist())
    made = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=job["tokens"],
        do_sample=False,
        pad_token_id=tokenizer.eos_token_id,
    )
    texts.append(made[0, ids.shape[1]:].tolist())
for parameter in model.parameters():
    parameter += 0.01 * torch.randn_like(parameter)
model.save_pretrained(job["changed"])
tokenizer.save_pretrained(job["changed"])
found["changed_logits"] = logits()
np.savez(job["outputs"], **found)
versions = {
    "torch": torch.__version__,
    "transformers": transformers.__version__,
}
print(json.dumps({"texts": texts, "prompts": prompts, **versions}))
"""
