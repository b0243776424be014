"""Signatures come in, what their inputs and outputs are and mean goes out."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

# One sentence for each input and output, in whatever signature it stands.
MEANINGS = {
    "prompts": "The text to go on from; empty for the beginning of a document.",
    "texts": "The row's text, which follows on the prompt where there is one.",
    "token_ids": "The row's tokens; beyond its length they are padding.",
    "lengths": "How many of the row's tokens count.",
    "max_new_tokens": "The most tokens that the row gets, in all calls.",
    "temperature": "Divides the logits; 0 takes the likeliest token.",
    "top_k": "Draws among so many of the likeliest tokens; 0 is off.",
    "top_p": "Draws among the fewest tokens that together have this "
    "probability; 1 is off.",
    "min_p": "Draws among the tokens with at least this share of the "
    "likeliest one's probability; 0 is off.",
    "repetition_penalty": "Makes tokens of prompt and completion less likely, "
    "by a factor; 1 is off.",
    "frequency_penalty": "Is taken off a token's logit each time that the "
    "completion holds it; 0 is off.",
    "presence_penalty": "Is taken off a token's logit once if the completion "
    "holds it; 0 is off.",
    "no_repeat_ngram": "No run of so many tokens comes twice in prompt and "
    "completion; 0 is off.",
    "num_beams": "How many hypotheses are gone on with, and the most that the "
    "row gets; 1 takes the likeliest token each time.",
    "length_penalty": "Scores are log-probabilities divided by ((5 + length) / "
    "6) to this power; 0 compares log-probabilities, more is for longer "
    "hypotheses.",
    "seed": "Of the row's random numbers, the same in any batch; -1 draws one.",
    "stop": "Texts that end the row and are not part of it, joined by U+001F; "
    "empty for none.",
    "banned": "Texts that the row never writes, joined by U+001F; empty for "
    "none.",
    "overflow": "What happens when prompt and completion fill the model: "
    "`stop` ends the row, `roll` goes on with its newer half.",
    "steps": "The most tokens that the row gets in this call; 0 for all that "
    "are left.",
    "continuation": "What the row goes on from, by the same prompt and "
    "settings; empty at its beginning and at its end.",
    "state_bytes": "All that the row goes on from; empty when it has ended.",
    "completions": "What follows on the prompt and on what earlier calls gave, "
    "without them; valid UTF-8.",
    "completions_bytes": "Its bytes as they were made, maybe not UTF-8.",
    "logprobs": "The natural logarithm of each token's probability before any "
    "setting; 0 where there is padding.",
    "top_token_ids": "The likeliest tokens at each place, the likeliest first.",
    "top_logprobs": "The natural logarithms of their probabilities.",
    "hypotheses": "The row's completions, the best first; empty beyond "
    "`num_hypotheses`.",
    "hypotheses_bytes": "Their bytes as they were made, maybe not UTF-8.",
    "hypothesis_ids": "Their tokens; beyond their lengths they are padding.",
    "hypothesis_lengths": "How many of each one's tokens count.",
    "num_hypotheses": "How many the row has.",
    "scores": "Their log-probabilities, divided by their lengths' penalty.",
    "total_logprobs": "The sums of their tokens' log-probabilities, that of "
    "the end of the text included.",
    "choices": "Texts to choose from, joined by U+001F, none of them empty.",
    "per_token": "Whether choices are compared by their log-probability per "
    "token.",
    "choice": "The likeliest of the row's choices after the prompt.",
    "choice_index": "Its index, from 0; -1 for an invalid row.",
    "num_choices": "How many choices the row has.",
    "choice_lengths": "The tokens of each choice.",
    "choice_logprobs": "The natural logarithm of each choice's probability "
    "after the prompt; 0 beyond `num_choices`.",
    "normalize": "Whether the vector is divided by its Euclidean length.",
    "embeddings": "The mean of the model's last states over the text's tokens; "
    "0 for an empty text.",
    "num_tokens": "The tokens that are in the mean.",
    "text_truncated": "Whether only the beginning of the text fitted into the "
    "model.",
    "finish_reasons": "Why each ended, as `finish_reason`.",
    "finish_reason": "Why the row ended: `stop`, `length`, `max_length`, "
    "`repetition`, `refused` or `invalid`; empty where it goes on.",
    "prompt_truncated": "Whether only the end of the prompt fitted into the "
    "model.",
    "seed_used": "The seed that gives the same completion again.",
    "total_logprob": "The sum of the row's log-probabilities.",
    "bits_per_byte": "The text's negative log-probability in bits, divided by "
    "its bytes.",
    "logits": "The model's scores of every token that may come next, at each "
    "place; 0 where there is padding.",
    "texts_bytes": "The text's bytes as the tokens spell them, maybe not "
    "UTF-8.",
    "error": "The rule that an invalid row breaks and what came; empty for the "
    "others.",
}

# Of the fields of tasks, beside them.
FIELD_MEANINGS = {
    "source": "The text to translate.",
    "context": "The text that the answer is in.",
    "question": "What is asked about it.",
    "document": "The text to summarise.",
    "prompt": "The text to answer or to go on from.",
    "messages": "What was said, the user's first and last, joined by U+001F.",
}


def signature_table(functions: Mapping[str, Any]) -> dict[str, dict]:
    """Describes signatures as JSON can hold it.

    Args:
        functions: The concrete functions by the signatures' names; each
            returns a dictionary.

    Returns:
        By signature, `inputs` and `outputs`, each a list in order of
        `{"name", "dtype", "shape", "meaning"}`. A shape has `None` for what is
        open, and is `None` itself if even the number of dimensions is.

    Raises:
        ValueError: An input or output has no entry in `MEANINGS`.
    """
    return {
        name: {
            "inputs": [
                _described(spec.name, spec)
                for spec in tf.nest.flatten(function.structured_input_signature)
            ],
            "outputs": [
                _described(key, tensor)
                for key, tensor in function.structured_outputs.items()
            ],
        }
        for name, function in functions.items()
    }


def _described(name, tensor) -> dict:
    meanings = MEANINGS | FIELD_MEANINGS
    if name not in meanings:
        raise ValueError(
            "Every input and output of a signature must have its meaning in "
            f"`MEANINGS`. Received: {name!r}"
        )
    is_known = tensor.shape.rank is not None
    return {
        "name": name,
        "dtype": tensor.dtype.name,
        "shape": tensor.shape.as_list() if is_known else None,
        "meaning": meanings[name],
    }
