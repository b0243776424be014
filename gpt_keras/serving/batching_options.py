"""A `BatchingParameters` message in, checked options of batching out."""

from typing import NamedTuple

from gpt_keras.serving.server_messages import BatchingParameters


class BatchingOptions(NamedTuple):
    """How requests are merged; the defaults are TF Serving's.

    Attributes:
        max_batch_size: The most rows of a request.
        batch_timeout_micros: How long the first request of a batch waits.
        max_enqueued_batches: Of a queue, beyond which it is full.
        num_batch_threads: Batches at once; 0 for the machine's cores.
        allowed_batch_sizes: A batch is filled up to the next of these with
            copies of its first row; empty for any size.
        pad_variable_length_inputs: Whether rows of different lengths share a
            batch. Without it they have queues of their own.
        enable_large_batch_splitting: Whether a request may be spread.
        max_execution_batch_size: The most rows of a batch, if so.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = 0
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0

    @classmethod
    def from_message(cls, message: BatchingParameters) -> "BatchingOptions":
        """Returns what a `BatchingParameters` says.

        Raises:
            ValueError: A value breaks its rule.
        """
        wrapped = (
            "max_batch_size",
            "batch_timeout_micros",
            "max_enqueued_batches",
            "num_batch_threads",
            "enable_large_batch_splitting",
            "max_execution_batch_size",
        )
        options = cls(
            allowed_batch_sizes=tuple(message.allowed_batch_sizes),
            pad_variable_length_inputs=message.pad_variable_length_inputs,
            **{
                name: getattr(message, name).value
                for name in wrapped
                if message.HasField(name)
            },
        )
        options.check()
        return options

    @property
    def largest_batch(self) -> int:
        """The most rows of a batch."""
        if self.enable_large_batch_splitting:
            return self.max_execution_batch_size or self.max_batch_size
        return self.max_batch_size

    def check(self) -> None:
        """Checks the values.

        Raises:
            ValueError: One breaks its rule.
        """
        for name in ("max_batch_size", "max_enqueued_batches"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"`{name}` must be at least 1. Received: "
                    f"{getattr(self, name)}"
                )
        for name in ("batch_timeout_micros", "num_batch_threads"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"`{name}` must not be negative. Received: "
                    f"{getattr(self, name)}"
                )
        sizes = self.allowed_batch_sizes
        if sizes and (
            list(sizes) != sorted(set(sizes))
            or sizes[0] < 1
            or sizes[-1] != self.largest_batch
        ):
            raise ValueError(
                "`allowed_batch_sizes` must increase, from 1 or more to the "
                f"largest batch, {self.largest_batch}. Received: {list(sizes)}"
            )
        if not 0 <= self.max_execution_batch_size <= self.max_batch_size:
            raise ValueError(
                "`max_execution_batch_size` must be at most `max_batch_size`, "
                f"{self.max_batch_size}. Received: "
                f"{self.max_execution_batch_size}"
            )
