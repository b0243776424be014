"""Steps of a run in, scores of what the model writes out."""

import dataclasses
import pathlib
from collections.abc import Callable

from gpt_keras.files import write_atomically
from gpt_keras.training.hosts import Hosts
from gpt_keras.training.stepwise import Stepwise
from gpt_keras.training.stop_signals import StopSignals

PAGE = "examples.html"
SCORED = "scored_examples"  # in the log beside the scores


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What a model wrote, and how good it was.

    Attributes:
        figures: Scores by name.
        num_examples: Texts that they are of.
        table: Examples as Markdown, for TensorBoard.
        page: Examples as a document of HTML.
    """

    figures: dict[str, float]
    num_examples: int
    table: str
    page: str


# Takes the model and what says whether to break off; gives None if it did.
Measure = Callable[[object, Callable[[], bool]], Measurement | None]


class GenerationMetrics(Stepwise):
    """Scores what the model writes every `every` steps, and at the end.

    Where the run keeps averages of the weights, it is they that write. Nothing
    that is learned depends on it. A signal to stop breaks it off on one host:
    `catch_up` makes up for it when the run goes on.

    Args:
        log: Where the scores and a table of examples go.
        folder: The model folder, which gets a page of examples.
        every: Steps between two of them.
        last_step: The run's last one.
        measure: See `Measure`; the chief alone calls it, and needs it.
        save_best: Takes the step and all scores, keeps the weights if they
            are the best, and returns whether; None keeps none.
        stop: `StopSignals`, or None.
        hosts: Of the run; None for one.
    """

    def __init__(
        self,
        log,
        folder,
        every: int,
        last_step: int,
        measure: Measure | None,
        save_best: Callable[[int, dict], bool] | None = None,
        stop: StopSignals | None = None,
        hosts: Hosts | None = None,
    ):
        super().__init__()
        self.log, self.every, self.last_step = log, every, last_step
        self.measure, self.save_best = measure, save_best
        self.stop = stop or StopSignals()
        self._page = pathlib.Path(folder) / PAGE
        self._hosts = hosts

    def at_step(self, step, logs):
        is_due = step % self.every == 0 or step == self.last_step
        if is_due and not self.stop.received:
            self._measure(step)

    def catch_up(self, model, step: int) -> None:
        """Scores a step that the run goes on from, if that was due."""
        self.set_model(model)
        self.at_step(step, {})

    def _measure(self, step: int) -> None:
        with self.model.averaged_weights():
            found = self._on_chief(self._measurement)
        figures = found and found.figures
        if self._hosts is not None:
            figures = self._hosts.from_chief(figures)
        if figures is None:
            return
        is_best = self.save_best is not None and self.save_best(step, figures)
        self._on_chief(lambda: self._tell(step, found, is_best))

    def _measurement(self) -> Measurement | None:
        assert self.measure is not None  # on the chief
        return self.measure(self.model, self._has_to_stop)

    def _on_chief(self, function):
        return self._hosts.on_chief(function) if self._hosts else function()

    def _has_to_stop(self) -> bool:
        return self.stop.received is not None

    def _tell(self, step: int, found: Measurement, is_best: bool) -> None:
        write_atomically(self._page, found.page)
        self.log.write_text(step, "examples", found.table)
        # At the end: what is logged isn't caught up on.
        self.log.write(step, **found.figures, **{SCORED: found.num_examples})
        scores = ", ".join(f"{k} {x:.2f}" for k, x in found.figures.items())
        note = " (best)" if is_best else ""
        self.log.tell(f"step {step}: {scores}{note}")
