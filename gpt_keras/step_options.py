"""What a user asks of the training step in, checked options out."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class StepOptions:
    """How a step is computed, and which steps are left out.

    These are keywords of `GPTModel.compile`.

    Attributes:
        microbatches: Parts that a replica's batch is cut into by rows. Their
            gradients are summed before the step, so that it is the same step
            with the activations of one part in memory.
        ema_decay: Decay of the exponential moving average of the weights,
            which `evaluate` uses in their place; 0 keeps no average. In the
            first steps t the decay is (1 + t) / (10 + t), if that is less, so
            that the initial weights are soon forgotten.
        spike_sigmas: A step is left out if its loss or gradient norm is above
            the mean of the recent ones by so many standard deviations; 0
            leaves out only what is not finite. Groeneveld et al. 2024 (OLMo)
            train with 6.
        spike_window: How many steps are the recent ones. Steps are judged
            once half of them are there.
        chunk_tokens: Tokens whose logits are in memory at a time; None
            chooses by the vocabulary, 0 is all of them. It is at most so
            many: chunks are as even as can be.
        label_smoothing: Share of the label's probability that is spread over
            the whole vocabulary, in training; 0: none. Szegedy et al. 2016,
            §7. The loss of training then is that of the smoothed labels, and
            validation's is not.
        jit_compile: Whether XLA compiles forward and backward pass and, on
            one replica, the update.
    """

    microbatches: int = 1
    ema_decay: float = 0.0
    spike_sigmas: float = 0.0
    spike_window: int = 128
    chunk_tokens: int | None = None
    label_smoothing: float = 0.0
    jit_compile: bool = False

    def __post_init__(self):
        for name in ("microbatches", "spike_window", "chunk_tokens"):
            value = getattr(self, name)
            is_none = name == "chunk_tokens" and value is None
            is_whole = hasattr(value, "__index__")
            _check(is_none or is_whole, "a whole number", self, name)
        _check(self.microbatches >= 1, "positive", self, "microbatches")
        _check(0 <= self.ema_decay < 1, "in [0, 1)", self, "ema_decay")
        smoothing = self.label_smoothing
        _check(0 <= smoothing < 1, "in [0, 1)", self, "label_smoothing")
        _check(self.spike_sigmas >= 0, "at least 0", self, "spike_sigmas")
        _check(self.spike_window >= 2, "at least 2", self, "spike_window")
        whole_or_some = self.chunk_tokens is None or self.chunk_tokens >= 0
        _check(whole_or_some, "at least 0, or None", self, "chunk_tokens")


def _check(holds: bool, rule: str, options: StepOptions, name: str):
    if not holds:
        raise ValueError(
            f"`{name}` must be {rule}. Received: {name}="
            f"{getattr(options, name)}"
        )
