"""The Python of the environment as a toolchain, for Bazel without modules."""

_BUILD = """\
load("@bazel_tools//tools/python:toolchain.bzl", "py_runtime_pair")

py_runtime(
    name = "runtime",
    interpreter_path = "{interpreter}",
    python_version = "PY3",
)

py_runtime_pair(
    name = "runtimes",
    py3_runtime = ":runtime",
)

toolchain(
    name = "toolchain",
    toolchain = ":runtimes",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
)
"""

def _environment_python(repository_ctx):
    name = repository_ctx.os.environ.get("PYTHON", "python3")
    interpreter = repository_ctx.which(name) if "/" not in name else name
    if not interpreter:
        fail("No Python is found. Set PYTHON to one with the requirements.")
    build = _BUILD.format(interpreter = interpreter)
    repository_ctx.file("BUILD", build)

# The interpreter is the one that PYTHON names, else the python3 of the PATH.
environment_python = repository_rule(
    implementation = _environment_python,
    environ = [
        "PATH",
        "PYTHON",
    ],
    local = True,
)
