"""Tests of the server's configuration in saved_models: what it reads parses,
and what the files say of each other is true.
"""

import pathlib
import re

import pytest
import yaml
from google.protobuf import text_format

from gpt_keras.serving.batching_options import BatchingOptions
from gpt_keras.serving.model_configuration import read_configurations
from gpt_keras.serving.server_messages import BatchingParameters
from gpt_keras.serving.server_messages import ModelServerConfig
from gpt_keras.serving.server_messages import MonitoringConfig
from gpt_keras.serving.warm_up import BATCH_SIZES

FOLDER = pathlib.Path(__file__).parents[1] / "saved_models"
FILES = {
    path.name: path.read_text(encoding="utf-8")
    for path in FOLDER.iterdir()
    if path.is_file()
}
NOT_RUN = ("docker-compose.yaml", "kubernetes.yaml")

# Flags of tensorflow_model_server 2.20, with what they may be set to here.
FLAGS = {
    "model_config_file": r"/config/models\.config",
    "model_config_file_poll_wait_seconds": r"[1-9]\d*",
    "allow_version_labels_for_unavailable_models": "true",
    "enable_batching": "true",
    "batching_parameters_file": r"/config/batching_parameters\.txt",
    "monitoring_config_file": r"/config/monitoring\.config",
    "rest_api_timeout_in_ms": r"[1-9]\d*",
    "rest_api_num_threads": r"[1-9]\d*",
    "grpc_max_threads": r"[1-9]\d*",
    "tensorflow_intra_op_parallelism": r"[1-9]\d*",
    "tensorflow_inter_op_parallelism": r"[1-9]\d*",
    "enable_grpc_healthcheck_service": "true",
}


def _batching():
    text = FILES["batching_parameters.txt"]
    return text_format.Parse(text, BatchingParameters())


def _model():
    """Returns the one model of models.config."""
    config = text_format.Parse(FILES["models.config"], ModelServerConfig())
    (model,) = config.model_config_list.config
    return model


def _service():
    return yaml.safe_load(FILES["docker-compose.yaml"])["services"][
        "quickstart"
    ]


def _objects():
    """Returns what kubernetes.yaml makes, by its kind."""
    objects = list(yaml.safe_load_all(FILES["kubernetes.yaml"]))
    assert len({x["kind"] for x in objects}) == len(objects)
    return {x["kind"]: x for x in objects}


def _pod():
    return _objects()["Deployment"]["spec"]["template"]["spec"]


def _container():
    (container,) = _pod()["containers"]
    return container


ARGUMENTS = {
    "docker-compose.yaml": lambda: _service()["command"],
    "kubernetes.yaml": lambda: _container()["args"],
}


def test_the_label_stands_for_a_version_that_is_loaded():
    model = _model()
    assert model.name == "quickstart"
    assert model.base_path == f"/models/{model.name}"
    assert model.model_platform == "tensorflow"
    loaded = model.model_version_policy.specific.versions
    assert dict(model.version_labels) == {"stable": 1}
    assert set(model.version_labels.values()) <= set(loaded)


def test_the_quickstart_exports_the_model():
    script = FOLDER.parent / "tools/quickstart.sh"
    name = _model().name
    assert f"saved_models/{name}\n" in script.read_text(encoding="utf-8")


def test_the_local_server_reads_them_too():
    options = BatchingOptions.from_message(_batching())
    assert options.max_batch_size == options.largest_batch == 32
    config = text_format.Parse(FILES["models.config"], ModelServerConfig())
    model = read_configurations(config)["quickstart"]
    assert model.specific == (1,) and model.labels == {"stable": 1}


def test_batching_keeps_the_rules_of_the_server():
    batching = _batching()
    # A request without rows would end the server.
    assert not batching.allowed_batch_sizes
    assert batching.max_batch_size.value == max(BATCH_SIZES)
    assert batching.pad_variable_length_inputs
    assert batching.num_batch_threads.value >= 1
    assert batching.max_enqueued_batches.value >= 1
    assert 0 < batching.batch_timeout_micros.value < 100_000


def test_an_unknown_field_is_seen():
    with pytest.raises(text_format.ParseError):
        text_format.Parse("max_size { value: 1 }", _batching())


def test_metrics_are_on():
    text = FILES["monitoring.config"]
    config = text_format.Parse(text, MonitoringConfig())
    assert config.prometheus_config.enable
    path = config.prometheus_config.path
    template = _objects()["Deployment"]["spec"]["template"]
    annotations = template["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] == path
    assert annotations["prometheus.io/port"] == "8501"


@pytest.mark.parametrize("file", NOT_RUN)
def test_flags_are_the_servers(file):
    arguments = ARGUMENTS[file]()
    values = dict(re.fullmatch(r"--(\w+)=(.*)", x).groups() for x in arguments)
    assert len(values) == len(arguments)
    for name, value in values.items():
        assert re.fullmatch(FLAGS[name], value), name
    optional = {"enable_grpc_healthcheck_service"}
    assert set(FLAGS) - set(values) <= optional
    most = 2 * _batching().max_batch_size.value  # the server's batching guide
    assert int(values["rest_api_num_threads"]) >= most
    assert int(values["grpc_max_threads"]) >= most


@pytest.mark.parametrize("file", NOT_RUN)
def test_files_that_the_flags_name_are_there(file):
    named = [x for x in ARGUMENTS[file]() if "=/config/" in x]
    assert len(named) == 3
    for argument in named:
        assert argument.rpartition("/")[2] in FILES


def test_docker_mounts_what_the_flags_name():
    model = _model()
    assert _service()["volumes"] == [
        f"./{model.name}:{model.base_path}:ro",
        ".:/config:ro",
    ]


def test_docker_publishes_on_this_machine_alone():
    for port in _service()["ports"]:
        assert re.fullmatch(r"127\.0\.0\.1:(850[01]):\1", port)


def test_docker_has_limits_and_no_rights():
    service = _service()
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["user"].split(":")[0] != "0"
    assert {"cpus", "mem_limit", "pids_limit"} <= set(service)
    threads = f"--tensorflow_intra_op_parallelism={service['cpus']}"
    assert threads in service["command"]


def _label_path():
    model = _model()
    (label,) = model.version_labels
    return f"/v1/models/{model.name}/labels/{label}/metadata"


def test_health_is_that_the_label_can_answer():
    command = _service()["healthcheck"]["test"][-1]
    assert f"GET {_label_path()} HTTP/1.0\\r\\n" in command
    for probe in ("startupProbe", "readinessProbe"):
        asked = _container()[probe]["httpGet"]
        assert asked == {"path": _label_path(), "port": "rest"}


def test_kubernetes_mounts_what_is_there():
    volumes = {volume["name"]: volume for volume in _pod()["volumes"]}
    mounts = {x["name"]: x for x in _container()["volumeMounts"]}
    assert set(volumes) == set(mounts)
    assert all(mount["readOnly"] for mount in mounts.values())
    assert mounts["models"]["mountPath"] == "/models"
    assert mounts["config"]["mountPath"] == "/config"
    assert "subPath" not in mounts["config"]  # would never see an edit
    claim = volumes["models"]["persistentVolumeClaim"]["claimName"]
    assert claim == _objects()["PersistentVolumeClaim"]["metadata"]["name"]
    name = volumes["config"]["configMap"]["name"]
    assert f"create configmap {name} " in FILES["kubernetes.yaml"]
    files = re.findall(r"--from-file=(\S+)", FILES["kubernetes.yaml"])
    named = [x.split("=/config/") for x in _container()["args"]]
    assert set(files) == {f"saved_models/{x[1]}" for x in named if x[1:]}


def test_kubernetes_lets_a_request_end():
    arguments = dict(x[2:].split("=") for x in _container()["args"])
    limit = int(arguments["rest_api_timeout_in_ms"]) / 1000
    _, seconds = _container()["lifecycle"]["preStop"]["exec"]["command"]
    assert limit <= int(seconds) < _pod()["terminationGracePeriodSeconds"]


def test_the_service_reaches_the_pods():
    service = _objects()["Service"]["spec"]
    deployment = _objects()["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert service["selector"] == labels
    assert deployment["selector"]["matchLabels"] == labels
    ports = {x["name"]: x["containerPort"] for x in _container()["ports"]}
    assert {x["targetPort"]: x["port"] for x in service["ports"]} == ports
    assert ports == {"grpc": 8500, "rest": 8501}


def test_one_pinned_image():
    image = _container()["image"]
    assert image == _service()["image"]
    assert re.fullmatch(r"tensorflow/serving:\d+\.\d+\.\d+", image)


def test_what_was_not_run_says_so():
    for file in NOT_RUN:
        assert "Not run here:" in FILES[file].split("\n\n")[0]
        assert f"[{file}]({file})" in FILES["README.md"]
        assert re.search(rf"{file}\).*\(not run here\)", FILES["README.md"])


def test_the_readme_leads_through_every_file():
    linked = set(re.findall(r"\]\(([^)/]+)\)", FILES["README.md"]))
    assert linked == set(FILES) - {"README.md", "BUILD"}
