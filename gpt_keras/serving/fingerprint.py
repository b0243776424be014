"""A model and what is exported with it come in, a mark of them goes out."""

import hashlib
import json
from typing import NamedTuple

import numpy as np

from gpt_keras.generation.policy import Policy

TAG_BYTES = 16


class Fingerprint(NamedTuple):
    """What tells the rows of one export from those of another.

    Attributes:
        tag: `TAG_BYTES` hexadecimal digits that anybody may see.
        key: Two integers that only who has the weights can compute: of a
            checksum that nobody else can write.
    """

    tag: str
    key: tuple[int, int]


def make_fingerprint(model, tokenizer, policy: Policy) -> Fingerprint:
    """Returns the mark of an export: equal for equal ones.

    Weights, architecture and vocabulary count, and of the policy what a row
    that has begun relies on. Its lists and its key don't: the tag is public.
    """
    digest = hashlib.sha256()
    config = model.get_config()
    del config["name"]  # another in every process
    facts = [
        config | {"dtype": model.dtype_policy.name},
        tokenizer.fingerprint,
        policy.max_prompt_bytes,
        policy.max_new_tokens,
        policy.hides_tokens,
    ]
    digest.update(json.dumps(facts, sort_keys=True).encode())
    for weight in model.weights:
        values = np.ascontiguousarray(weight.value)
        digest.update(f"{values.dtype} {values.shape}".encode())
        digest.update(values.view(np.uint8).data)
    root = digest.digest()
    tag = hashlib.sha256(b"tag" + root).hexdigest()[:TAG_BYTES]
    key = np.frombuffer(hashlib.sha256(b"key" + root).digest(), np.int64)
    return Fingerprint(tag, (int(key[0]), int(key[1])))
