"""Check whether ``bwrap`` works on this machine, and name the namespaces that we ask it for."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys

_CHECK_SECONDS = 20.0

NAMESPACES = (
    *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"),
    *("--unshare-cgroup-try", "--as-pid-1", "--die-with-parent", "--new-session"),
    *("--cap-drop", "ALL"),
)
_HINT = (
    "install the package bubblewrap, and allow this user to create user namespaces (sysctl "
    "kernel.unprivileged_userns_clone, user.max_user_namespaces, "
    "kernel.apparmor_restrict_unprivileged_userns); launcher: local is a process without a "
    "sandbox"
)


@functools.cache
def check() -> str | None:
    """Return why this machine cannot run a sandbox, and how to fix it; None if it can.

    The first call starts an empty sandbox as a trial, which blocks for at most 20 s. The answer is
    kept for later calls.
    """
    if not sys.platform.startswith("linux"):
        return "the launcher bubblewrap needs Linux; launcher: local works here"
    program = shutil.which("bwrap")
    if program is None:
        return f"there is no bwrap in PATH: {_HINT}"
    command = [program, *NAMESPACES, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    try:
        done = subprocess.run(
            [*command, "--", sys.executable, "-S", "-c", ""],
            capture_output=True,
            timeout=_CHECK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bwrap could not be run: {error}. To fix it: {_HINT}"
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        return f"bwrap was refused: {said or done.returncode}. To fix it: {_HINT}"
    return None
