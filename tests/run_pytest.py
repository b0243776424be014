"""A test file in, pytest's exit status out: how Bazel runs a test."""

import os
import sys

import pytest

if __name__ == "__main__":
    # A process that a test starts has to find the project, too.
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    sys.exit(pytest.main(["-p", "no:cacheprovider", *sys.argv[1:]]))
