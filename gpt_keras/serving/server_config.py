"""The settings of the local server, each with its default.

Flags are derived from them; they have TF Serving's names where it has one.
"""

import dataclasses
import math
import os
import re

from gpt_keras.serving.batching_options import BatchingOptions
from gpt_keras.serving.grpc_api import GrpcOptions
from gpt_keras.serving.http_server import HttpLimits
from gpt_keras.serving.model_configuration import ModelConfiguration
from gpt_keras.serving.model_configuration import read_configurations
from gpt_keras.serving.rest_api import RestOptions
from gpt_keras.serving.servable import SessionOptions
from gpt_keras.serving.server_messages import BatchingParameters
from gpt_keras.serving.server_messages import ModelServerConfig
from gpt_keras.serving.server_messages import MonitoringConfig
from gpt_keras.serving.server_messages import read_message

METRICS_PATH = "/monitoring/prometheus/metrics"
OFF = -1  # a port that is not opened


def _field(default, help: str):
    return dataclasses.field(default=default, metadata={"help": help})


@dataclasses.dataclass(frozen=True)
class ServerConfig:
    """The settings of a local server; each one is a flag of `tools.serve`.

    In Python a port of 0 is a free one, and `OFF` is none.
    """

    # What is served
    model_base_path: str = _field(
        "", "Folder of the versions of a model: saved_models/NAME."
    )
    model_name: str = _field(
        "", "Name of the model of --model_base_path; its folder's by default."
    )
    model_config_file: str = _field(
        "", "models.config, with any number of models, instead."
    )
    model_config_file_poll_wait_seconds: float = _field(
        0.0, "How often that file is read again; 0 for never."
    )
    file_system_poll_wait_seconds: float = _field(
        1.0, "How often the folders are looked at for versions; 0 for never."
    )
    allow_version_labels_for_unavailable_models: bool = _field(
        False, "Labels that are new may be given to versions not yet loaded."
    )
    max_num_load_retries: int = _field(
        5, "How often a version that can't be loaded is tried again."
    )
    load_retry_interval_micros: int = _field(60_000_000, "How long that waits.")
    enable_model_warmup: bool = _field(
        True, "Replay the warm-up requests of a version when it is loaded."
    )
    saved_model_tags: str = _field("serve", "Tags of the graph, by commas.")

    # Where
    host: str = _field(
        "127.0.0.1",
        "Address to listen on. There is no authentication: 0.0.0.0 gives the "
        "model to everyone who reaches this machine.",
    )
    rest_api_port: int = _field(8501, "Port of REST; 0 for none.")
    port: int = _field(8500, "Port of gRPC; 0 for none.")

    # Batches
    enable_batching: bool = _field(
        False, "Merge the rows of requests into batches."
    )
    batching_parameters_file: str = _field(
        "", "batching_parameters.txt, for --enable_batching."
    )

    # Limits
    rest_api_timeout_in_ms: int = _field(30_000, "Time for a REST request.")
    rest_api_num_threads: int = _field(64, "REST requests answered at once.")
    grpc_max_threads: int = _field(
        256, "gRPC calls at once; more get RESOURCE_EXHAUSTED."
    )
    grpc_max_message_bytes: int = _field(
        2**31 - 1, "The largest gRPC message, in and out."
    )
    max_request_bytes: int = _field(32 * 2**20, "The largest REST body.")
    max_in_flight_requests: int = _field(
        128, "Predictions at once, waiting ones too; more get 503."
    )
    max_requests_per_second: float = _field(
        0.0, "Predictions a second; more get 429. 0 for any number."
    )
    max_connections: int = _field(512, "REST connections; more get 503.")
    socket_timeout_seconds: float = _field(
        30.0, "A client that sends or reads nothing for so long is cut off."
    )
    shutdown_grace_seconds: float = _field(
        30.0, "How long what runs may take after SIGTERM or Ctrl-C."
    )

    # The web page
    playground: bool = _field(
        True, "A page at / to try the models in, see docs/playground.md."
    )
    playground_servers: str = _field(
        "",
        "Other servers that the page may ask, by commas: http://HOST:PORT.",
    )

    # TensorFlow and monitoring
    tensorflow_intra_op_parallelism: int = _field(
        0, "Threads for one operation; 0 for the machine's cores."
    )
    tensorflow_inter_op_parallelism: int = _field(
        0, "Operations at once; 0 for the machine's cores."
    )
    monitoring_config_file: str = _field(
        "", "monitoring.config, which turns the page for Prometheus on."
    )

    def __post_init__(self):
        if bool(self.model_base_path) == bool(self.model_config_file):
            raise ValueError(
                "One of `model_base_path` and `model_config_file` must be "
                f"given. Received: model_base_path={self.model_base_path!r}, "
                f"model_config_file={self.model_config_file!r}"
            )
        if self.batching_parameters_file and not self.enable_batching:
            raise ValueError(
                "`batching_parameters_file` must come with `enable_batching`."
            )
        for server in self._playground_servers():
            if not re.fullmatch(_ORIGIN, server, re.ASCII):
                raise ValueError(
                    "`playground_servers` must be of the form http://HOST:PORT "
                    f"or https://HOST:PORT. Received: {server!r}"
                )
        if self.rest_api_port == self.port == OFF:
            raise ValueError("REST or gRPC must have a port.")
        for name, least in _LEAST.items():
            most = _MOST.get(name, math.inf)
            if not least <= getattr(self, name) <= most:
                raise ValueError(
                    f"`{name}` must be from {least} to {most}. Received: "
                    f"{getattr(self, name)}"
                )

    def models(self) -> dict[str, ModelConfiguration]:
        """Returns what shall be served, by the models' names.

        Raises:
            ValueError: The file breaks a rule.
            OSError: It can't be read.
        """
        if self.model_config_file:
            return read_configurations(
                read_message(self.model_config_file, ModelServerConfig)
            )
        path = os.path.abspath(self.model_base_path)
        name = self.model_name or os.path.basename(path)
        if not re.fullmatch("[^/:]+", name):
            raise ValueError(
                "A model must have a name without / and :; --model_name gives "
                f"it one. Received: {name!r}"
            )
        return {name: ModelConfiguration(name, path)}

    def batching(self) -> BatchingOptions | None:
        """Returns how requests are merged; None for not at all.

        Raises:
            ValueError: The file breaks a rule.
            OSError: It can't be read.
        """
        if not self.enable_batching:
            return None
        if not self.batching_parameters_file:
            return BatchingOptions()
        return BatchingOptions.from_message(
            read_message(self.batching_parameters_file, BatchingParameters)
        )

    def metrics_path(self) -> str | None:
        """Returns the path of the page for Prometheus; None for no page.

        Raises:
            ValueError: The file breaks a rule.
            OSError: It can't be read.
        """
        if not self.monitoring_config_file:
            return None
        message = read_message(self.monitoring_config_file, MonitoringConfig)
        prometheus = message.prometheus_config
        return (prometheus.path or METRICS_PATH) if prometheus.enable else None

    def session(self) -> SessionOptions:
        """Returns how versions are loaded."""
        return SessionOptions(
            tuple(self.saved_model_tags.split(",")),
            self.tensorflow_intra_op_parallelism,
            self.tensorflow_inter_op_parallelism,
            self.enable_model_warmup,
        )

    def http_limits(self) -> HttpLimits:
        """Returns what a REST client may cost."""
        return HttpLimits(
            self.max_request_bytes,
            self.max_connections,
            self.socket_timeout_seconds,
            idle_seconds=self.socket_timeout_seconds,
            # The deadline ends the run itself; this ends the wait for it.
            answer_seconds=self.rest_api_timeout_in_ms / 1000 + 1,
        )

    def rest(self) -> RestOptions:
        """Returns what holds for REST."""
        return RestOptions(
            self.rest_api_timeout_in_ms,
            self.rest_api_num_threads,
            self.max_request_bytes,
            self.metrics_path(),
            self.playground,
            self._playground_servers(),
        )

    def grpc(self) -> GrpcOptions:
        """Returns what holds for gRPC."""
        return GrpcOptions(
            self.grpc_max_threads,
            self.grpc_max_message_bytes,
            self.socket_timeout_seconds,
        )

    def _playground_servers(self):
        servers = (x.strip() for x in self.playground_servers.split(","))
        return tuple(server for server in servers if server)


# It stands in a header, between spaces and semicolons.
_ORIGIN = r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::\d{1,5})?"
_LEAST = {
    "model_config_file_poll_wait_seconds": 0,
    "file_system_poll_wait_seconds": 0,
    "max_num_load_retries": 0,
    "load_retry_interval_micros": 0,
    "rest_api_port": OFF,
    "port": OFF,
    "rest_api_timeout_in_ms": 1,
    "rest_api_num_threads": 1,
    "grpc_max_threads": 1,
    "grpc_max_message_bytes": 1,
    "max_request_bytes": 1,
    "max_in_flight_requests": 1,
    "max_requests_per_second": 0,
    "max_connections": 1,
    "socket_timeout_seconds": 0.001,
    "shutdown_grace_seconds": 0,
    "tensorflow_intra_op_parallelism": 0,
    "tensorflow_inter_op_parallelism": 0,
}
_MOST = {
    "rest_api_port": 65535,
    "port": 65535,
    "grpc_max_message_bytes": 2**31 - 1,
}
