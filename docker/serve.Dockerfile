# A model in an image with TensorFlow Serving. Not run: the project is built
# where there is no Docker. From the project's folder, after an export to
# saved_models/quickstart:
#
#     docker build -f docker/serve.Dockerfile --build-arg MODEL=quickstart \
#         -t quickstart .
#     docker run --rm -p 127.0.0.1:8501:8501 -p 127.0.0.1:8500:8500 quickstart
#
# There is no authentication: publish the ports further only behind a proxy
# that has. For upgrades without a restart see saved_models/docker-compose.yaml.
FROM tensorflow/serving:2.20.0

ARG MODEL=quickstart
# The image's entry point serves MODEL_BASE_PATH/MODEL_NAME.
ENV MODEL_BASE_PATH=/models \
    MODEL_NAME=${MODEL}
COPY saved_models/batching_parameters.txt saved_models/monitoring.config /config/
COPY saved_models/${MODEL} /models/${MODEL}

USER 65534:65534
EXPOSE 8500 8501
CMD ["--enable_batching=true", \
     "--batching_parameters_file=/config/batching_parameters.txt", \
     "--monitoring_config_file=/config/monitoring.config", \
     "--rest_api_timeout_in_ms=120000", \
     "--rest_api_num_threads=64", \
     "--grpc_max_threads=64", \
     "--tensorflow_intra_op_parallelism=4", \
     "--tensorflow_inter_op_parallelism=2"]
