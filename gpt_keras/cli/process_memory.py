"""This process' memory, as Linux counts it, out."""

import contextlib


def memory(name: str) -> int:
    """Returns a figure of the process in bytes.

    `getrusage` tells the peak of the process that started this one, if that
    was higher.

    Args:
        name: `"VmRSS"`, `"VmHWM"` (its peak) or `"RssAnon"` (mapped files left
            out).
    """
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024  # it is in kB


def reset_peak() -> None:
    """Makes `"VmHWM"` what `"VmRSS"` is, where the kernel lets it be done."""
    with contextlib.suppress(OSError):
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
