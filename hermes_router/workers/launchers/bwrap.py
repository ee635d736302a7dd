"""Check whether ``bwrap`` works on this machine, and name the namespaces that we ask it for."""

from __future__ import annotations

import shutil
import subprocess
import sys

from hermes_router.base.trials import Trial

_CHECK_SECONDS = 20.0

#: Seconds for which a failed trial is believed.
_FAILED_SECONDS = 30.0

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


def _try() -> str | None:
    """Start an empty sandbox; return why this machine cannot run one, and how to fix it, or None.

    This blocks for at most 20 s.
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


#: Returns why this machine cannot run a sandbox, and how to fix it; None if it can. The first call
#: starts an empty sandbox, and so does one that comes 30 s or more after a failure.
check = Trial(_try, seconds=_FAILED_SECONDS)
