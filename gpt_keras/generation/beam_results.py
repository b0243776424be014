"""What a beam search found for one prompt, as Python has it."""

from dataclasses import dataclass

from gpt_keras.generation.beam_completion import BeamCompletions


@dataclass(frozen=True)
class Hypothesis:
    """One way to go on.

    Attributes:
        text: The completion, without the prompt.
        token_ids: Its tokens; none if the policy redacted or refused the text.
        score: Its log-probability, divided by the length's penalty.
        total_logprob: The sum of its tokens' log-probabilities, natural
            logarithms, that of the end of the text included.
        finish_reason: As of `GenerationResult`.
    """

    text: str
    token_ids: tuple[int, ...]
    score: float
    total_logprob: float
    finish_reason: str


@dataclass(frozen=True)
class BeamResult:
    """The best ways to go on from one prompt.

    Attributes:
        prompt: The prompt.
        hypotheses: The best first; fewer than were asked for where there are
            no more.
        prompt_truncated: Whether only the end of the prompt fitted into the
            model.
    """

    prompt: str
    hypotheses: tuple[Hypothesis, ...]
    prompt_truncated: bool


def beam_results(
    prompts: list[str], columns: BeamCompletions, num_return: int
) -> list[BeamResult]:
    """Returns a result for each prompt.

    Args:
        prompts: The prompts.
        columns: What was found, as lists.
        num_return: The most hypotheses of each.
    """
    return [
        BeamResult(
            prompt,
            tuple(
                _hypothesis(columns, row, beam)
                for beam in range(min(columns.counts[row], num_return))
            ),
            columns.prompt_truncated[row],
        )
        for row, prompt in enumerate(prompts)
    ]


def _hypothesis(columns, row, beam):
    length = columns.lengths[row][beam]
    return Hypothesis(
        text=columns.texts[row][beam].decode(),
        token_ids=tuple(columns.token_ids[row][beam][:length]),
        score=columns.scores[row][beam],
        total_logprob=columns.log_probs[row][beam],
        finish_reason=columns.finish_reasons[row][beam].decode(),
    )
