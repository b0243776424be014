#!/usr/bin/env bash
# Installs Chromium and its driver, for the tests of the playground.
#
#   tools/browser.sh            # as root, on Debian or Ubuntu
#   tools/browser.sh --fonts    # and fonts for Chinese and emoji, for
#                               # python -m tools.screenshots
#
# Without them those tests are skipped. On other systems: install Chromium (or
# Chrome) and the chromedriver of the same version, so that both are on PATH.
set -euo pipefail

packages=(chromium chromium-driver)
if [[ ${1:-} == --fonts ]]; then
    packages+=(fonts-noto-cjk fonts-noto-color-emoji)
elif [[ $# -gt 0 ]]; then
    echo "usage: tools/browser.sh [--fonts]" >&2
    exit 2
fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    echo "error: tools/browser.sh needs root and apt-get." >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
