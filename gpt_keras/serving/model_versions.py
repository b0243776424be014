"""Configurations of models come in, loaded versions for requests go out.

A new version is loaded before an old one goes, and an old one goes when the
last request to it is answered: as TF Serving's availability preserving policy.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import NamedTuple

from gpt_keras.serving.model_configuration import ModelConfiguration
from gpt_keras.serving.servable import Servable
from gpt_keras.serving.serving_errors import Code
from gpt_keras.serving.serving_errors import ServingError
from gpt_keras.serving.serving_errors import as_serving_errors
from gpt_keras.serving.serving_errors import invalid
from gpt_keras.serving.version_states import State
from gpt_keras.serving.version_states import Version
from gpt_keras.serving.version_states import VersionStatus

_logger = logging.getLogger(__name__)


class Use(NamedTuple):
    """A version that a request uses.

    Attributes:
        name: Of the model.
        version: Its number.
        servable: It.
        path: Its folder.
    """

    name: str
    version: int
    servable: Servable
    path: str


class ModelVersions:
    """The versions of all models.

    Args:
        load: Makes a `Servable` of a version folder.
        early_labels: Whether a label that is not in use may be given to a
            version that isn't loaded.
        max_retries: How often a load that failed is tried again.
        retry_seconds: How long it waits for that.
    """

    def __init__(
        self,
        load: Callable[[str], Servable],
        early_labels: bool = False,
        max_retries: int = 5,
        retry_seconds: float = 60.0,
    ):
        self._load_folder = load
        self._early_labels = early_labels
        self._max_retries = max_retries
        self._retry_seconds = retry_seconds
        self._changed = threading.Condition()  # for what follows
        self._models: dict[str, ModelConfiguration] = {}
        self._versions: dict[tuple[str, int], Version] = {}
        self._labels: dict[str, Mapping[str, int]] = {}
        self._updating = threading.Lock()

    def configure(self, models: Mapping[str, ModelConfiguration]) -> None:
        """Changes what shall be served, and loads and unloads for it.

        Args:
            models: By name; those left out are unloaded.

        Raises:
            ServingError: `FAILED_PRECONDITION`, a label can't move, and
                nothing has changed; `UNKNOWN`, a new model has no version
                that could be loaded.
        """
        with self._updating:
            with self._changed:
                self._check_labels(models)
                new = set(models) - set(self._models)
                self._models = dict(models)
                self._labels = {n: dict(m.labels) for n, m in models.items()}
            self._update()
            self._check_available(new)

    def update(self) -> None:
        """Looks at the folders, and loads and unloads as they say."""
        with self._updating:
            self._update()

    @contextlib.contextmanager
    def use(
        self, name: str, version: int | None = None, label: str = ""
    ) -> Iterator[Use]:
        """Inside, a version is kept loaded.

        Args:
            name: Of the model.
            version: Its number; the newest by default.
            label: Of the version, instead.

        Raises:
            ServingError: `NOT_FOUND`, there is no such version;
                `INVALID_ARGUMENT`, there is no such label.
        """
        with self._changed:
            entry = self._find(name, version, label)
            entry.num_uses += 1
        try:
            yield Use(name, entry.number, entry.servable, entry.path)
        finally:
            with self._changed:
                entry.num_uses -= 1
                self._changed.notify_all()

    def statuses(
        self, name: str, version: int | None = None
    ) -> list[VersionStatus]:
        """Returns the states of a model's versions, the newest first.

        Raises:
            ServingError: `NOT_FOUND`, there is none.
        """
        with self._changed:
            found = [
                VersionStatus(e.number, e.state, e.code, e.message)
                for e in self._versions.values()
                if e.name == name and version in (None, e.number)
            ]
        if not found:
            which = "no version" if version is None else f"no version {version}"
            raise ServingError(
                Code.NOT_FOUND, f"There is {which} of a model {name!r}."
            )
        return sorted(found, reverse=True)

    def names(self) -> set[str]:
        """Returns the names of the models that shall be served."""
        with self._changed:
            return set(self._models)

    def interrupt(self) -> None:
        """Ends what runs with an error."""
        with self._changed:
            entries = list(self._versions.values())
            servables = [e.servable for e in entries if e.servable]
        for servable in servables:
            servable.interrupt()

    def close(self) -> None:
        """Unloads everything, when what uses it has ended."""
        with self._updating:
            with self._changed:
                self._models, self._labels = {}, {}
                entries = [
                    e
                    for e in self._versions.values()
                    if e.state == State.AVAILABLE
                ]
            for thread in [self._unload(entry) for entry in entries]:
                thread.join()

    def _find(self, name, version, label):
        if not name:
            raise invalid("The request must name a model.")
        if label:
            labels = self._labels.get(name, {})
            if label not in labels:
                raise invalid(
                    f"The model {name!r} has no version label {label!r}. It "
                    f"has {sorted(labels)}"
                )
            version = labels[label]
        available = {
            e.number: e
            for e in self._versions.values()
            if e.name == name and e.state == State.AVAILABLE
        }
        if version is None and available:
            version = max(available)
        if version not in available:
            which = "" if version is None else f" in version {version}"
            raise ServingError(
                Code.NOT_FOUND,
                f"No model {name!r} can answer{which}. Versions that can: "
                f"{sorted(available)}",
            )
        return available[version]

    def _check_labels(self, models):
        for name, model in models.items():
            for label, version in model.labels.items():
                entry = self._versions.get((name, version))
                if entry is not None and entry.state == State.AVAILABLE:
                    continue
                old = self._labels.get(name, {}).get(label, version)
                if self._early_labels and old == version:
                    continue
                raise ServingError(
                    Code.FAILED_PRECONDITION,
                    f"The label {label!r} of {name!r} must be given to a "
                    "version that is loaded; at the start, "
                    "--allow_version_labels_for_unavailable_models allows "
                    f"others. Received: {version}",
                )

    def _check_available(self, names):
        for name in sorted(names):
            with self._changed:
                versions = [
                    e for e in self._versions.values() if e.name == name
                ]
                if any(e.state == State.AVAILABLE for e in versions):
                    continue
                why = [f"{e.path}: {e.message}" for e in versions]
                path = self._models[name].base_path
            raise ServingError(
                Code.UNKNOWN,
                f"The model {name!r} must have a version that can be loaded, "
                f"a folder with a number for its name under {path}. "
                f"Received: {'; '.join(why) or 'none'}",
            )

    def _update(self):
        """Loads what is new; unloads what is old, if something is left."""
        for model in list(self._models.values()):
            aspired = model.aspired_versions()
            for number in sorted(aspired, reverse=True):
                self._load(model.name, number, aspired[number])
            self._forget_failures(model.name, aspired)
            with self._changed:
                keeps = any(
                    (model.name, n) in self._versions
                    and self._versions[model.name, n].state == State.AVAILABLE
                    for n in aspired
                )
                old = self._available(model.name) - set(aspired)
            if keeps or not aspired:
                self._unload_all(model.name, old)
        with self._changed:
            gone = {e.name for e in self._versions.values()} - set(self._models)
        for name in gone:
            with self._changed:
                old = self._available(name)
            self._unload_all(name, old)
            self._forget_failures(name, ())

    def _available(self, name):
        return {
            e.number
            for e in self._versions.values()
            if e.name == name and e.state == State.AVAILABLE
        }

    def _load(self, name, number, path):
        with self._changed:
            entry = self._versions.get((name, number))
            if entry is None or (
                entry.state == State.END and not entry.message
            ):
                entry = Version(name, number, path)
                self._versions[name, number] = entry
            if not self._is_due(entry):
                return
            entry.state = State.LOADING
        _logger.info("Loading version %d of %s", number, name)
        try:
            with as_serving_errors():
                servable = self._load_folder(path)
        except ServingError as error:
            self._note_failure(entry, error)
            return
        with self._changed:
            entry.servable = servable
            entry.code, entry.message = Code.OK, ""
            entry.state = State.AVAILABLE
        _logger.info("Loaded version %d of %s", number, name)

    def _is_due(self, entry):
        if entry.state == State.LOADING:  # it failed before
            return time.monotonic() >= entry.retry_at
        return entry.state == State.START

    def _note_failure(self, entry, error):
        with self._changed:
            entry.code, entry.message = error.code, error.message
            entry.num_failures += 1
            entry.retry_at = time.monotonic() + self._retry_seconds
            if entry.num_failures > self._max_retries:
                entry.state = State.END
        _logger.warning(
            "Version %d of %s can't be loaded: %s",
            entry.number,
            entry.name,
            error.message,
        )

    def _forget_failures(self, name, aspired):
        """Lets a version that could not be loaded come back as a new one."""
        with self._changed:
            for key, entry in list(self._versions.items()):
                is_gone = entry.name == name and entry.number not in aspired
                if is_gone and entry.message and entry.servable is None:
                    del self._versions[key]

    def _unload_all(self, name, numbers):
        for number in sorted(numbers):
            self._unload(self._versions[name, number])

    def _unload(self, entry):
        """Takes a version out of service, and frees it when it is idle."""
        with self._changed:
            entry.state = State.UNLOADING
        thread = threading.Thread(
            target=self._free, args=(entry,), daemon=True, name="unloading"
        )
        thread.start()
        return thread

    def _free(self, entry):
        with self._changed:
            self._changed.wait_for(lambda: entry.num_uses == 0)
            servable, entry.servable = entry.servable, None
        servable.close()
        with self._changed:
            entry.state = State.END
        _logger.info("Unloaded version %d of %s", entry.number, entry.name)
