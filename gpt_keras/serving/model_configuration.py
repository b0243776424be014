"""A model's entry in `models.config` in, the versions that shall serve out."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from gpt_keras.serving.server_messages import ModelServerConfig

_PLATFORM = "tensorflow"


class ModelConfiguration(NamedTuple):
    """What is served of a model.

    Attributes:
        name: Of the model.
        base_path: The folder of its versions.
        latest: So many of the newest versions.
        specific: These versions instead, if any.
        all_versions: All of them instead.
        labels: Version by label.
    """

    name: str
    base_path: str
    latest: int = 1
    specific: tuple[int, ...] = ()
    all_versions: bool = False
    labels: Mapping[str, int] = {}

    def aspired_versions(self) -> dict[int, str]:
        """Returns the folders of the versions that shall serve, by number."""
        found = versions_in(self.base_path)
        if self.all_versions:
            return found
        if self.specific:
            return {n: found[n] for n in self.specific if n in found}
        newest = sorted(found)[-self.latest :]
        return {number: found[number] for number in newest}


def versions_in(base_path: str) -> dict[int, str]:
    """Returns the version folders under a folder, by their numbers."""
    try:
        names = os.listdir(base_path)
    except OSError:
        return {}
    found = {}
    for name in sorted(names):
        path = os.path.join(base_path, name)
        if name.isascii() and name.isdigit() and os.path.isdir(path):
            found.setdefault(int(name), path)
    return found


def read_configurations(
    message: ModelServerConfig,
) -> dict[str, ModelConfiguration]:
    """Returns what a `ModelServerConfig` says, by the models' names.

    Raises:
        ValueError: It breaks a rule.
    """
    if message.WhichOneof("config") != "model_config_list":
        raise ValueError("The configuration must have a `model_config_list`.")
    models = {}
    for config in message.model_config_list.config:
        model = _configuration(config)
        if model.name in models:
            raise ValueError(
                "Every model must have one entry in the configuration. "
                f"Received: two for {model.name!r}"
            )
        models[model.name] = model
    return models


def _configuration(config):
    if not config.name or not config.base_path:
        raise ValueError(
            "Every model must have a `name` and a `base_path`. Received: "
            f"name={config.name!r}, base_path={config.base_path!r}"
        )
    if config.model_platform != _PLATFORM:
        raise ValueError(
            f"The `model_platform` of {config.name!r} must be {_PLATFORM!r}. "
            f"Received: {config.model_platform!r}"
        )
    if not os.path.isabs(config.base_path):
        raise ValueError(
            f"The `base_path` of {config.name!r} must be absolute. Received: "
            f"{config.base_path!r}"
        )
    policy = config.model_version_policy
    kind = policy.WhichOneof("policy_choice")
    latest = policy.latest.num_versions if kind == "latest" else 1
    return ModelConfiguration(
        config.name,
        config.base_path,
        latest=max(latest, 1),
        specific=tuple(policy.specific.versions),
        all_versions=kind == "all",
        labels=dict(config.version_labels),
    )
