#!/usr/bin/env bash
# Compares the pins of requirements.txt with the known vulnerabilities.
#
#   tools/audit.sh
#
# pip-audit asks the package index for them, so this needs a network. It has
# not been run with an answer: where the project is built the index has no
# vulnerabilities to ask for. What could not be asked about is a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"${PYTHON:-python3}" -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet pip-audit==2.10.1
"$scratch/venv/bin/pip-audit" --strict --no-deps --disable-pip \
    --requirement requirements.txt
