#!/usr/bin/env bash
# From nothing to text out of a saved model, in minutes on two CPU cores.
#
#   tools/quickstart.sh
#
# A second run finds the model trained and exports it as the next version; one
# that was stopped goes on.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

run=runs/quickstart
model=saved_models/quickstart
"$python" -m tools.train --recipe=quickstart --model_dir=$run
version=$("$python" -m tools.export --model_dir=$run --output=$model \
    --temperature=0.8 --top_k=40)
echo
echo "Exported: $version"
echo "The newest version in $model, loaded by TensorFlow alone, writes:"
echo
"$python" -m tools.complete --model=$model --prompt='The'
