# The command gpt-keras in an image. Not run: the project is built where there
# is no Docker. From the project's folder:
#
#     docker build -f docker/train.Dockerfile -t gpt-keras .
#     docker run --rm -v "$PWD:/work" --user "$(id -u):$(id -g)" gpt-keras \
#         train --recipe=quickstart --model_dir=runs/quickstart
#
# For a GPU: `docker build --build-arg CUDA=1 …` and `docker run --gpus all …`.
FROM python:3.12-slim-bookworm

ENV PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp

WORKDIR /opt/gpt_keras
COPY requirements.txt ./
# All but what only the tests need.
RUN sed '/^# The tests/,$d' requirements.txt > needed.txt \
    && pip install -r needed.txt
ARG CUDA=""
RUN test -z "$CUDA" || pip install "tensorflow[and-cuda]==2.21.0"
COPY pyproject.toml README.md LICENSE ./
COPY gpt_keras gpt_keras
RUN pip install --no-deps .

# A run may write here whoever it belongs to; mount a folder over it.
WORKDIR /work
RUN chmod 1777 /work
USER 65534:65534
ENTRYPOINT ["gpt-keras"]
CMD ["--help"]
