"""TF Serving's request messages come in, its response messages go out."""

from google.protobuf import any_pb2
from tensorflow_serving.apis import get_model_metadata_pb2
from tensorflow_serving.apis import get_model_status_pb2
from tensorflow_serving.apis import model_management_pb2
from tensorflow_serving.apis import predict_pb2

from gpt_keras.serving.model_configuration import read_configurations
from gpt_keras.serving.model_versions import ModelVersions
from gpt_keras.serving.predictor import Predictor
from gpt_keras.serving.request_record import RequestRecord
from gpt_keras.serving.servable import DEFAULT_SIGNATURE
from gpt_keras.serving.serving_errors import invalid
from gpt_keras.serving.tensor_messages import read_tensors
from gpt_keras.serving.tensor_messages import write_tensor

_SIGNATURES = "signature_def"


class ModelRequests:
    """Answers messages, whatever brought them.

    Args:
        versions: Of all models.
        predictor: Runs them.
    """

    def __init__(self, versions: ModelVersions, predictor: Predictor):
        self._versions = versions
        self._predictor = predictor

    def names(self) -> list[str]:
        """Returns the names of the models."""
        return sorted(self._versions.names())

    def use(self, spec):
        """Returns the context of the version that a `ModelSpec` names."""
        version = spec.version.value if spec.HasField("version") else None
        return self._versions.use(spec.name, version, spec.version_label)

    def predict(
        self,
        request: predict_pb2.PredictRequest,
        deadline: float | None,
        record: RequestRecord,
    ) -> predict_pb2.PredictResponse:
        """Answers `Predict`.

        Args:
            request: It.
            deadline: By `time.monotonic`; None for none.
            record: Is told the names.

        Raises:
            ServingError: The request breaks a rule, or what the predictor
                raises.
        """
        with self.use(request.model_spec) as use:
            record.model_name = use.name
            name = request.model_spec.signature_name or DEFAULT_SIGNATURE
            use.servable.signature(name)
            record.signature_name = name
            outputs = self._predictor.predict(
                use,
                name,
                read_tensors(request.inputs),
                request.output_filter,
                deadline,
            )
            response = predict_pb2.PredictResponse()
            response.model_spec.name = use.name
            response.model_spec.version.value = use.version
            response.model_spec.signature_name = name
        for name, array in outputs.items():
            write_tensor(array, response.outputs[name])
        return response

    def metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Answers `GetModelMetadata`.

        Raises:
            ServingError: There is no such model, version or field.
        """
        fields = list(request.metadata_field)
        if not fields or set(fields) != {_SIGNATURES}:
            raise invalid(
                f"`metadata_field` must be {[_SIGNATURES]}. Received: {fields}"
            )
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        with self.use(request.model_spec) as use:
            for name, signature in use.servable.signatures.items():
                signatures.signature_def[name].CopyFrom(signature)
            response.model_spec.name = use.name
            response.model_spec.version.value = use.version
        packed = any_pb2.Any()
        packed.Pack(signatures)
        response.metadata[_SIGNATURES].CopyFrom(packed)
        return response

    def status(
        self, request: get_model_status_pb2.GetModelStatusRequest
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Answers `GetModelStatus`; a label gets the states of all versions.

        Raises:
            ServingError: There is no such model or version.
        """
        spec = request.model_spec
        if not spec.name:
            raise invalid("The request must name a model.")
        version = spec.version.value if spec.HasField("version") else None
        response = get_model_status_pb2.GetModelStatusResponse()
        for status in self._versions.statuses(spec.name, version):
            response.model_version_status.add(
                version=status.version,
                state=int(status.state),
                status={
                    "error_code": int(status.code),
                    "error_message": status.message,
                },
            )
        return response

    def reload(
        self, request: model_management_pb2.ReloadConfigRequest
    ) -> model_management_pb2.ReloadConfigResponse:
        """Answers `HandleReloadConfigRequest`.

        Raises:
            ServingError: The configuration breaks a rule, or can't be
                followed.
        """
        try:
            models = read_configurations(request.config)
        except ValueError as error:
            raise invalid(str(error)) from error
        self._versions.configure(models)
        return model_management_pb2.ReloadConfigResponse()
