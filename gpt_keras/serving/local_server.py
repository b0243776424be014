"""A configuration comes in, a server with TF Serving's REST and gRPC surface
goes out: for laptops and tests. Production is TF Serving.
"""

import functools
import logging
import threading
import time

from gpt_keras.serving.admission import Admission
from gpt_keras.serving.grpc_api import GrpcServer
from gpt_keras.serving.http_server import HttpServer
from gpt_keras.serving.model_requests import ModelRequests
from gpt_keras.serving.model_versions import ModelVersions
from gpt_keras.serving.predictor import Predictor
from gpt_keras.serving.rest_api import RestApi
from gpt_keras.serving.servable import Servable
from gpt_keras.serving.server_config import OFF
from gpt_keras.serving.server_config import ServerConfig
from gpt_keras.serving.serving_errors import ServingError
from gpt_keras.serving.serving_metrics import IN_FLIGHT
from gpt_keras.serving.serving_metrics import VERSION_STATE
from gpt_keras.serving.serving_metrics import Metrics

_logger = logging.getLogger(__name__)


class LocalServer:
    """Serves models from the constructor's end to `close`.

    Args:
        config: What and where. A port of 0 becomes a free one.

    Attributes:
        rest_port: Of REST, None for none.
        grpc_port: Of gRPC, None for none.

    Raises:
        ValueError: The configuration breaks a rule, or a model can't be
            loaded.
        OSError: A file can't be read, or a port is taken.

    Example:

    ```python
    config = ServerConfig("saved_models/mine", rest_api_port=0, port=0)
    with LocalServer(config) as server:
        url = f"http://127.0.0.1:{server.rest_port}/v1/models/mine"
    ```
    """

    def __init__(self, config: ServerConfig):
        self._config = config
        self._metrics = Metrics()
        self._closing = threading.Event()
        self._closed = False
        self._rest: HttpServer | None = None
        self._rest_api: RestApi | None = None
        self._grpc: GrpcServer | None = None
        self._poller: threading.Thread | None = None
        rest_options = config.rest()
        self._models = config.models()
        self._predictor = Predictor(self._metrics, config.batching())
        self._admission = Admission(
            config.max_in_flight_requests, config.max_requests_per_second
        )
        self._versions = ModelVersions(
            functools.partial(Servable, options=config.session()),
            config.allow_version_labels_for_unavailable_models,
            config.max_num_load_retries,
            config.load_retry_interval_micros / 1e6,
        )
        try:
            self._start(rest_options)
        except BaseException:
            self.close(grace_seconds=0)
            raise

    @property
    def rest_port(self) -> int | None:
        """The port of REST."""
        return None if self._rest is None else self._rest.port

    @property
    def grpc_port(self) -> int | None:
        """The port of gRPC."""
        return None if self._grpc is None else self._grpc.port

    @property
    def model_names(self) -> list[str]:
        """The names of the models that are served."""
        return sorted(self._versions.names())

    def __enter__(self) -> "LocalServer":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def update(self) -> None:
        """Looks at configuration and folders now, as polling does.

        Raises:
            ServingError: A changed configuration can't be followed.
            ValueError: It breaks a rule.
            OSError: It can't be read.
        """
        self._reread()
        self._versions.update()

    def close(self, grace_seconds: float | None = None) -> None:
        """Accepts nothing more, finishes what runs, and unloads.

        Args:
            grace_seconds: How long what runs may take; as configured by
                default.
        """
        if self._closed:
            return
        self._closed = True
        if grace_seconds is None:
            grace_seconds = self._config.shutdown_grace_seconds
        self._closing.set()
        if self._poller is not None:
            self._poller.join()
        stops = [
            threading.Thread(target=server.stop, args=(grace_seconds,))
            for server in (self._rest, self._grpc)
            if server is not None
        ]
        for thread in stops:
            thread.start()
        for thread in stops:
            thread.join()
        self._versions.interrupt()
        self._predictor.close()
        if self._rest_api is not None:
            self._rest_api.close()
        self._versions.close()

    def _start(self, rest_options):
        config = self._config
        try:
            self._versions.configure(self._models)
        except ServingError as error:
            raise ValueError(error.message) from error
        requests = ModelRequests(self._versions, self._predictor)
        if config.rest_api_port != OFF:
            self._rest_api = RestApi(
                requests,
                self._predictor,
                self._admission,
                self._metrics,
                self._metrics_page,
                rest_options,
            )
            self._rest = HttpServer(
                self._rest_api.handle,
                config.host,
                config.rest_api_port,
                config.http_limits(),
            )
        if config.port != OFF:
            host = f"[{config.host}]" if ":" in config.host else config.host
            self._grpc = GrpcServer(
                requests,
                self._admission,
                self._metrics,
                f"{host}:{config.port}",
                config.grpc(),
            )
        self._poller = threading.Thread(
            target=self._poll, daemon=True, name="polling"
        )
        self._poller.start()

    def _poll(self):
        """Reads the configuration and looks at the folders now and then."""
        config = self._config
        waits = {
            self._reread: config.model_config_file_poll_wait_seconds,
            self._versions.update: config.file_system_poll_wait_seconds,
        }
        waits = {step: seconds for step, seconds in waits.items() if seconds}
        due = {step: time.monotonic() + waits[step] for step in waits}
        while due:
            left = min(due.values()) - time.monotonic()
            if self._closing.wait(max(left, 0)):
                return
            for step in due:
                if time.monotonic() >= due[step]:
                    _try(step)
                    due[step] = time.monotonic() + waits[step]

    def _reread(self):
        models = self._config.models()
        if models != self._models:
            self._versions.configure(models)
            self._models = models

    def _metrics_page(self):
        gauges = [(IN_FLIGHT, {}, self._admission.in_flight)]
        for name in self.model_names:
            for status in self._statuses(name):
                labels = {
                    "model_name": name,
                    "version": str(status.version),
                    "state": status.state.name,
                }
                gauges.append((VERSION_STATE, labels, 1))
        return self._metrics.page(gauges)

    def _statuses(self, name):
        try:
            return self._versions.statuses(name)
        except ServingError:  # none yet
            return []


def _try(step):
    try:
        step()
    except (ServingError, ValueError, OSError) as error:
        _logger.warning("The configuration can't be followed: %s", error)
    except Exception:  # the next poll tries again
        _logger.exception("Polling failed")
