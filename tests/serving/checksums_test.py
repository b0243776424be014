"""Tests of the checksums of a version folder."""

import hashlib
import os

import limited_process
import pytest

from gpt_keras.serving.checksums import CHECKSUMS_FILE
from gpt_keras.serving.checksums import verify_checksums
from gpt_keras.serving.checksums import write_checksums

FILES = {
    "saved_model.pb": b"graph",
    "variables/variables.index": b"",
    "variables/variables.data-00000-of-00001": bytes(range(256)) * 5000,
    "assets.extra/model_card.json": b"{}\n",
    "assets/a name with  spaces, ümlaut and *.txt": b"text",
}


@pytest.fixture
def folder(tmp_path):
    """A version folder with its checksums, not where the test runs."""
    for name, content in FILES.items():
        path = tmp_path / "7" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    write_checksums(tmp_path / "7")
    return tmp_path / "7"


def sha256sum(folder):
    return limited_process.run(
        ["sha256sum", "--strict", "-c", CHECKSUMS_FILE],
        cwd=folder,
        capture_output=True,
        text=True,
    )


def test_sha256sum_accepts_the_folder(folder):
    result = sha256sum(folder)
    assert result.returncode == 0, result.stdout + result.stderr
    checked = [line.rsplit(": ", 1)[0] for line in result.stdout.splitlines()]
    assert checked == sorted(FILES)
    assert "WARNING" not in result.stderr


def test_every_file_has_its_digest(folder):
    lines = (folder / CHECKSUMS_FILE).read_text("utf-8").splitlines()
    assert lines == [
        f"{hashlib.sha256(FILES[name]).hexdigest()}  {name}"
        for name in sorted(FILES)
    ]
    assert verify_checksums(str(folder)) == []


def test_a_second_time_changes_nothing(folder):
    before = (folder / CHECKSUMS_FILE).read_bytes()
    write_checksums(folder)
    assert (folder / CHECKSUMS_FILE).read_bytes() == before


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", ["changed", "missing"])
def test_a_file_that_is_not_as_it_was_is_named(folder, name, change):
    if change == "missing":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(FILES[name] + b"\n")
    assert verify_checksums(folder) == [f"{change}: {name}"]
    assert sha256sum(folder).returncode != 0


def test_an_extra_file_is_named(folder):
    (folder / "assets" / "more").write_bytes(b"")
    (folder / "saved_model.pb").unlink()
    assert verify_checksums(folder) == [
        "extra: assets/more",
        "missing: saved_model.pb",
    ]


@pytest.mark.parametrize(
    "change, expected",
    [
        (lambda lines: None, "missing"),
        (lambda lines: ["nonsense", *lines], "changed"),
        (lambda lines: [*lines, lines[0]], "changed"),
        (lambda lines: [line.upper() for line in lines], "changed"),
        (lambda lines: ["\udcff"], "changed"),
    ],
)
def test_checksums_that_cannot_be_read_are_named(folder, change, expected):
    path = folder / CHECKSUMS_FILE
    lines = change(path.read_text("utf-8").splitlines())
    path.unlink()
    if lines is not None:
        text = "".join(f"{line}\n" for line in lines)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert verify_checksums(folder) == [f"{expected}: {CHECKSUMS_FILE}"]


def test_a_file_outside_of_the_folder_is_not_read(folder):
    (folder.parent / "secret").write_bytes(b"secret")
    digest = hashlib.sha256(b"secret").hexdigest()
    with open(folder / CHECKSUMS_FILE, "a") as file:
        file.write(f"{digest}  ../secret\n")
    assert verify_checksums(folder) == ["missing: ../secret"]


@pytest.mark.parametrize("name", ["a\nb", "a\\b", "a\rb"])
def test_names_that_sha256sum_escapes_are_refused(folder, name):
    (folder / "assets" / name).write_bytes(b"")
    with pytest.raises(ValueError, match="without line breaks"):
        write_checksums(folder)


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path):
    for function in (write_checksums, verify_checksums):
        with pytest.raises(FileNotFoundError):
            function(tmp_path / "none")
    assert os.listdir(tmp_path) == []
