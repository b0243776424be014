#!/usr/bin/env bash
# Everything that must hold: style, tests, and the whole way from text to text.
#
#   tools/test.sh
#
# It makes .venv if need be; the last line is the one that pytest ends with.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The playground is tested in a real browser, where one can be had.
if ! command -v chromedriver >/dev/null && [[ $(id -u) == 0 ]] &&
    command -v apt-get >/dev/null; then
    tools/browser.sh >/dev/null 2>&1 ||
        echo "No Chromium: the playground's tests are skipped."
fi

"$python" -m ruff check .
"$python" -m ruff format --check .
"$python" -m mypy
"$python" -m pytest --numprocesses=2 --dist=loadfile \
    --no-loadscope-reorder --durations=25 2>&1 | tee "$scratch/pytest.txt"

echo "From text to text:"
"$python" -m tools.train --recipe=quickstart --model_dir="$scratch/run" \
    --vocab_size=300 --num_layers=1 --d_model=32 --dff=64 --max_length=32 \
    --steps=20 --validation_batches=2
"$python" -m tools.export --model_dir="$scratch/run" --output="$scratch/model"
"$python" -m tools.complete --model="$scratch/model" --prompt='The'
echo
tail -n 1 "$scratch/pytest.txt"
