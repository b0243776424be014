"""Tests of loading and unloading, on servables that load nothing."""

import threading

import pytest

from gpt_keras.serving.model_configuration import ModelConfiguration
from gpt_keras.serving.model_configuration import read_configurations
from gpt_keras.serving.model_versions import ModelVersions
from gpt_keras.serving.server_messages import ModelServerConfig
from gpt_keras.serving.server_messages import read_message
from gpt_keras.serving.serving_errors import Code
from gpt_keras.serving.serving_errors import ServingError
from gpt_keras.serving.version_states import State


class FakeServable:
    def __init__(self, path):
        self.path = path
        self.closed = threading.Event()

    def close(self):
        self.closed.set()


class World:
    """A folder of versions, and what was loaded of it."""

    def __init__(self, folder, **options):
        self.folder = folder
        self.loaded = []
        self.broken = set()
        self.on_load = lambda: None
        self.versions = ModelVersions(self.load, **options)

    def load(self, path):
        self.on_load()
        if path in self.broken:
            raise ServingError(Code.DATA_LOSS, "broken")
        self.loaded.append(FakeServable(path))
        return self.loaded[-1]

    def add(self, number):
        path = self.folder / "m" / str(number)
        path.mkdir(parents=True)
        return str(path)

    def remove(self, number):
        (self.folder / "m" / str(number)).rmdir()

    def configure(self, **policy):
        model = ModelConfiguration("m", str(self.folder / "m"), **policy)
        self.versions.configure({"m": model})

    def states(self):
        return {s.version: s.state for s in self.versions.statuses("m")}

    def used(self, **which):
        with self.versions.use("m", **which) as use:
            return use.version

    def wait_for(self, number, state):
        for _ in range(1000):
            if self.states()[number] == state:
                return
            threading.Event().wait(0.005)
        raise AssertionError(self.states())


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, retry_seconds=0.0, max_retries=1)


def _code(call, *args, **kwargs):
    with pytest.raises(ServingError) as caught:
        call(*args, **kwargs)
    return caught.value.code


def test_the_newest_version_serves(world):
    for number in (1, 2, 10):
        world.add(number)
    (world.folder / "m" / "x3").mkdir()
    (world.folder / "m" / "11").write_text("a file")
    world.configure()
    assert world.states() == {10: State.AVAILABLE}
    assert world.used() == world.used(version=10) == 10


def test_a_new_version_is_loaded_before_the_old_one_goes(world):
    world.add(1)
    world.configure()
    served = []
    world.on_load = lambda: served.append(world.used())
    world.add(2)
    with world.versions.use("m") as old:
        world.versions.update()
        assert served == [1]
        assert world.used() == 2
        assert world.states()[1] == State.UNLOADING
        assert not old.servable.closed.is_set()
    assert old.servable.closed.wait(5)
    world.wait_for(1, State.END)
    assert _code(world.used, version=1) == Code.NOT_FOUND


def test_a_version_that_is_deleted_is_unloaded_and_may_come_back(world):
    world.add(1)
    world.add(2)
    world.configure(all_versions=True)
    assert world.states() == {1: State.AVAILABLE, 2: State.AVAILABLE}
    world.remove(2)
    world.versions.update()
    world.wait_for(2, State.END)
    assert world.used() == 1
    world.add(2)
    world.versions.update()
    assert world.used() == 2
    world.remove(1)
    world.remove(2)
    world.versions.update()
    world.wait_for(1, State.END)
    world.wait_for(2, State.END)
    assert _code(world.used) == Code.NOT_FOUND


def test_a_version_that_can_t_be_loaded_leaves_the_old_one(world):
    world.add(1)
    world.configure()
    world.broken.add(world.add(2))
    world.versions.update()
    assert world.states() == {1: State.AVAILABLE, 2: State.LOADING}
    world.versions.update()  # the retry
    world.versions.update()
    status = world.versions.statuses("m", 2)[0]
    assert status.state == State.END
    assert (status.code, status.message) == (Code.DATA_LOSS, "broken")
    assert world.used() == 1
    world.broken.clear()
    world.versions.update()
    assert world.used() == 1  # it is not tried for ever
    world.remove(2)
    world.versions.update()
    world.add(2)
    world.versions.update()
    assert world.used() == 2


def test_a_version_whose_files_come_late_is_tried_again(world):
    world.add(1)
    world.configure()
    path = world.add(2)
    world.broken.add(path)
    world.versions.update()
    world.broken.clear()
    world.versions.update()
    assert world.used() == 2
    assert world.versions.statuses("m", 2)[0].message == ""


def test_a_model_without_a_version_is_refused(world):
    assert _code(world.configure) == Code.UNKNOWN
    world.broken.add(world.add(1))
    other = World(world.folder)
    other.broken = world.broken
    with pytest.raises(ServingError, match="broken"):
        other.configure()


def test_a_label_moves_only_to_what_is_loaded(world):
    world.add(1)
    labels = {"stable": 1}
    assert _code(world.configure, labels=labels) == Code.FAILED_PRECONDITION
    world.configure(specific=(1,))
    world.configure(specific=(1,), labels=labels)
    assert world.used(label="stable") == 1
    world.add(2)
    both = dict(specific=(1, 2))
    assert (
        _code(world.configure, **both, labels={"stable": 2})
        == Code.FAILED_PRECONDITION
    )
    assert world.states() == {1: State.AVAILABLE}  # nothing of it was done
    world.configure(**both, labels=labels)
    assert world.used() == 2 and world.used(label="stable") == 1
    world.configure(**both, labels={"stable": 2, "canary": 2})
    assert world.used(label="stable") == world.used(label="canary") == 2
    world.configure(**both, labels=labels)  # rolled back
    assert world.used(label="stable") == 1
    assert _code(world.used, label="canary") == Code.INVALID_ARGUMENT


def test_early_labels_are_new_ones(tmp_path):
    world = World(tmp_path, early_labels=True)
    world.add(1)
    world.configure(labels={"stable": 1})
    assert world.used(label="stable") == 1
    moved = dict(specific=(1, 2), labels={"stable": 2})
    assert _code(world.configure, **moved) == Code.FAILED_PRECONDITION


def test_a_model_that_is_left_out_is_unloaded(world):
    world.add(1)
    world.configure()
    world.versions.configure({})
    world.wait_for(1, State.END)
    assert _code(world.used) == Code.NOT_FOUND
    assert world.versions.names() == set()


def test_no_request_is_dropped_while_versions_change(world):
    world.add(1)
    world.configure()
    stop = threading.Event()
    failures, seen = [], set()

    def ask():
        while not stop.is_set():
            try:
                with world.versions.use("m") as use:
                    seen.add(use.version)
                    if use.servable.closed.is_set():
                        failures.append("closed while in use")
            except ServingError as error:
                failures.append(error.message)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(2, 12):
        world.add(number)
        world.versions.update()
        world.remove(number - 1)
        world.wait_for(number - 1, State.END)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert not failures
    assert max(seen) == 11


def test_closing_unloads_all(world):
    world.add(1)
    world.configure()
    world.versions.close()
    assert world.loaded[0].closed.is_set()
    assert world.states() == {1: State.END}


CONFIG = """
model_config_list {
  config {
    name: "a" base_path: "/a" model_platform: "tensorflow"
    model_version_policy { specific { versions: 1 versions: 3 } }
    version_labels { key: "stable" value: 1 }
  }
  config {
    name: "b" base_path: "/b" model_platform: "tensorflow"
    model_version_policy { latest { num_versions: 2 } }
  }
  config {
    name: "c" base_path: "/c" model_platform: "tensorflow"
    model_version_policy { all {} }
  }
}
"""


def _read(tmp_path, text):
    path = tmp_path / "models.config"
    path.write_text(text)
    return read_configurations(read_message(path, ModelServerConfig))


def test_the_configuration_is_read(tmp_path):
    a = ModelConfiguration("a", "/a", specific=(1, 3), labels={"stable": 1})
    b = ModelConfiguration("b", "/b", latest=2)
    c = ModelConfiguration("c", "/c", all_versions=True)
    assert _read(tmp_path, CONFIG) == {"a": a, "b": b, "c": c}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("model_config_list", "wrong"),
        ('name: "a"', ""),
        ('name: "a"', 'name: "b"'),
        ('base_path: "/a"', 'base_path: "a"'),
        ('"tensorflow"', '"other"'),
        ("versions: 3", "versions: x"),
    ],
)
def test_a_configuration_that_breaks_a_rule_is_refused(tmp_path, old, new):
    with pytest.raises(ValueError, match="must.*Received"):
        _read(tmp_path, CONFIG.replace(old, new, 1))
    with pytest.raises(ValueError, match="model_config_list"):
        _read(tmp_path, "")


def test_policies(tmp_path):
    for number in (1, 2, 3, 10):
        (tmp_path / str(number)).mkdir()

    def versions(**policy):
        model = ModelConfiguration("m", str(tmp_path), **policy)
        return sorted(model.aspired_versions())

    assert versions() == [10]
    assert versions(latest=2) == [3, 10]
    assert versions(specific=(1, 7)) == [1]
    assert versions(all_versions=True) == [1, 2, 3, 10]
