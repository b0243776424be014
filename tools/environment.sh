# Sourced: makes .venv from requirements.txt, unless it is there as they say.
#
# It ends in the project's root, with `python` naming the environment's. PYTHON
# names the Python to make it with; else the first of python3, python3.13,
# python3.12 and python3.11 that fits is taken.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=$root/.venv/bin/python

fail() {
    echo "error: $*" >&2
    exit 1
}

version_of() {
    "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null
}

fits() {
    [[ $(version_of "$1") =~ ^3\.1[123]\. ]]
}

find_host() {
    if [[ -n ${PYTHON:-} ]]; then
        fits "$PYTHON" || fail "Python must be 3.11, 3.12 or 3.13." \
            "Received: PYTHON=$PYTHON, $(version_of "$PYTHON" || echo no Python)"
        host=$PYTHON
        return
    fi
    for host in python3 python3.13 python3.12 python3.11; do
        if fits "$host"; then return; fi
    done
    fail "Python 3.11, 3.12 or 3.13 is needed; set PYTHON to one." \
        "Found: python3 is $(version_of python3 || echo missing)"
}

is_usable() {
    fits "$python" && "$python" -c 'import pip' 2>/dev/null
}

make_environment() {
    local stamp=$root/.venv/requirements.txt
    if [[ -n ${PYTHON:-} ]] || ! is_usable; then
        find_host
        if ! is_usable ||
            [[ $(version_of "$host") != "$(version_of "$python")" ]]; then
            "$host" -c 'import ensurepip, venv' 2>/dev/null ||
                fail "$host has no module venv or ensurepip." \
                    "On Debian and Ubuntu: apt-get install python3-venv"
            "$host" -m venv --clear "$root/.venv"
        fi
    fi
    if ! cmp -s "$root/requirements.txt" "$stamp"; then
        echo "Installing requirements.txt into .venv (3 GB, some minutes)"
        rm -f "$stamp"
        "$python" -m pip install --quiet --quiet --disable-pip-version-check \
            -r "$root/requirements.txt"
        cp "$root/requirements.txt" "$stamp"
    fi
}

make_environment
cd "$root"
