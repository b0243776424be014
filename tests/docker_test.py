"""Tests of the Dockerfiles, as far as they go without Docker.

They are read, and compared with the files that they copy and the versions and
flags that stand elsewhere.
"""

import json
import pathlib
import re
import tomllib

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[1]
NAMES = ("train", "serve")
# What a build says; `quickstart` is there once it is exported.
MODEL = "quickstart"


def _instructions(name):
    """Returns the instructions and their arguments, in their order."""
    text = (ROOT / f"docker/{name}.Dockerfile").read_text("utf-8")
    lines = [x for x in text.splitlines() if not re.match(r"\s*#", x)]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line
    ]


def _arguments(name, instruction):
    return [x for kind, x in _instructions(name) if kind == instruction]


def _pins():
    text = (ROOT / "requirements.txt").read_text("utf-8")
    return dict(re.findall(r"^([\w-]+)==(\S+)", text, re.MULTILINE))


def _copied(name):
    """Returns what is copied, by the arguments' defaults."""
    found = []
    for arguments in _arguments(name, "COPY"):
        *sources, _ = arguments.replace("${MODEL}", MODEL).split()
        found += sources
    return found


@pytest.mark.parametrize("name", NAMES)
def test_it_says_that_it_was_not_run_and_how_it_is(name):
    text = (ROOT / f"docker/{name}.Dockerfile").read_text("utf-8")
    assert "Not run" in text.splitlines()[0] + text.splitlines()[1]
    assert f"docker build -f docker/{name}.Dockerfile" in text
    kinds = [kind for kind, _ in _instructions(name)]
    assert kinds[0] == "FROM" and kinds.count("CMD") == 1
    assert _arguments(name, "USER") == ["65534:65534"]  # nobody


@pytest.mark.parametrize("name", NAMES)
def test_what_is_copied_exists_and_is_not_ignored(name):
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [x for x in lines if x and not x.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    sources = _copied(name)
    assert sources
    for source in sources:
        assert source.split("/")[0] in allowed, source
        if source != f"saved_models/{MODEL}":  # what an export makes
            assert (ROOT / source).exists(), source
    everything = {x.split("/")[0] for one in NAMES for x in _copied(one)}
    assert allowed == everything


def test_the_versions_are_those_of_the_requirements():
    (base,) = _arguments("train", "FROM")
    python = re.fullmatch(r"python:(3\.\d+)-slim-\w+", base)[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    low, high = re.findall(r"3\.(\d+)", project["project"]["requires-python"])
    assert int(low) <= int(python.split(".")[1]) < int(high)
    commands = " ".join(_arguments("train", "RUN"))
    pinned = re.findall(r"([\w-]+)(?:\[[\w-]+\])?==([\w.]+)", commands)
    assert pinned
    assert all(_pins()[package] == version for package, version in pinned)
    cut = re.search(r"sed '/\^(.*?)/,\$d' requirements.txt", commands)[1]
    text = (ROOT / "requirements.txt").read_text("utf-8")
    needed, tests = text.split(f"\n{cut}")
    assert "tensorflow==" in needed and "pytest==" in tests


def test_the_command_of_the_image_is_the_one_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (entry,) = _arguments("train", "ENTRYPOINT")
    assert json.loads(entry) == [*project["project"]["scripts"]]
    copied = {*_copied("train")}
    assert project["project"]["readme"] in copied
    assert {*project["project"]["license-files"]} <= copied
    assert {"gpt_keras", "pyproject.toml", "requirements.txt"} <= copied


def test_the_server_has_the_flags_of_the_compose_file():
    text = (ROOT / "saved_models/docker-compose.yaml").read_text("utf-8")
    service = yaml.safe_load(text)["services"]["quickstart"]
    assert _arguments("serve", "FROM") == [service["image"]]
    (command,) = _arguments("serve", "CMD")
    flags = json.loads(command)
    # One model, that of the image: there is no file of models to look at.
    of_many = ("--model_config_file", "--allow_version_labels")
    assert flags == [
        flag for flag in service["command"] if not flag.startswith(of_many)
    ]
    configuration = re.findall(r"=/config/(\S+)", " ".join(flags))
    copied = {pathlib.PurePath(x).name for x in _copied("serve")}
    assert {*configuration} == copied - {MODEL}
    assert _arguments("serve", "ARG") == [f"MODEL={MODEL}"]
    (variables,) = _arguments("serve", "ENV")
    assert "MODEL_BASE_PATH=/models" in variables
    assert _arguments("serve", "COPY")[-1].endswith(" /models/${MODEL}")
