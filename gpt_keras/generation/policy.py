"""What a deployer imposes on every request, whatever its settings say."""

from dataclasses import dataclass

from gpt_keras.generation.redaction import check_kinds
from gpt_keras.generation.setting_values import SEPARATOR
from gpt_keras.generation.watermark import Watermark

REFUSAL_TEXT = "Sorry, this can't be answered."
MAX_PROMPT_LOOKUP = 64


@dataclass(frozen=True)
class Policy:
    """Limits and safety of generation; the default imposes nothing.

    Attributes:
        max_prompt_bytes: Longer prompts are invalid; None for no limit. It is
            judged before the prompt is cut into tokens.
        max_new_tokens: More are invalid to ask for; None for no limit.
        max_beams: More are invalid to ask for; None for no limit.
        banned: Texts that no completion holds, however it is tokenised.
        repetition_guard: A row ends when it has written the same span of
            tokens this often in a row; 0 is off.
        redact: Kinds of what is replaced in completions, of `redaction.KINDS`.
        refuse: Words; a prompt or completion that holds one gets
            `refusal_text` for its completion.
        refusal_text: What stands in place of a refused completion.
        watermark: Marks what is written, for `detect_watermark`.
        prompt_lookup: How many tokens are guessed at a time from what followed
            the same tokens before, and read together: the same texts, in less
            time where a text repeats itself or its prompt, and in more where
            the guesses are wrong; 0 is off. A beam search has none.

    Raises:
        ValueError: A value breaks its rule.
    """

    max_prompt_bytes: int | None = None
    max_new_tokens: int | None = None
    max_beams: int | None = None
    banned: tuple[str, ...] = ()
    repetition_guard: int = 0
    redact: tuple[str, ...] = ()
    refuse: tuple[str, ...] = ()
    refusal_text: str = REFUSAL_TEXT
    watermark: Watermark | None = None
    prompt_lookup: int = 0

    def __post_init__(self):
        if self.prompt_lookup not in range(MAX_PROMPT_LOOKUP + 1):
            raise ValueError(
                f"`prompt_lookup` must be from 0 to {MAX_PROMPT_LOOKUP}. "
                f"Received: prompt_lookup={self.prompt_lookup}"
            )
        for name in ("max_prompt_bytes", "max_new_tokens", "max_beams"):
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise ValueError(
                    f"`{name}` must be positive, or None. Received: "
                    f"{name}={limit}"
                )
        if self.repetition_guard not in range(2, 1001) and (
            self.repetition_guard != 0
        ):
            raise ValueError(
                "`repetition_guard` must be 0, or from 2 to 1000. Received: "
                f"repetition_guard={self.repetition_guard}"
            )
        for name in ("banned", "refuse"):
            _check_texts(name, getattr(self, name))
        check_kinds(self.redact)

    @property
    def hides_tokens(self) -> bool:
        """Whether a completion may differ from the text of its tokens."""
        return bool(self.redact or self.refuse)


def _check_texts(name, texts):
    if not isinstance(texts, tuple) or not all(
        isinstance(text, str) and text and SEPARATOR not in text
        for text in texts
    ):
        raise ValueError(
            f"`{name}` must be a tuple of texts that are not empty and have no "
            f"U+001F. Received: {name}={texts!r}"
        )


NO_POLICY = Policy()
