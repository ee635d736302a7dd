"""Find Hermes's own launcher, for an installation by Hermes's own package manager.

In such an installation, Python has no packages of its own. The launcher puts a *generation* of
dependencies on the path: the newest complete one. It holds that generation while the process lives,
because an update may remove generations that no process holds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hermes_router.workers.code.own_code import HermesLauncher

#: With this option, the launcher does not finish a pending update: a worker must not do that.
_NO_UPDATE = "--version"
_WITHOUT_IT = "import sys; del sys.argv[1]; "


def find_launcher(code: str) -> HermesLauncher | None:
    """Return how to start the Python program ``code`` by Hermes's own launcher.

    ``RunningCode`` starts workers so. Returns None if this installation has no launcher. The
    program finds its arguments in ``sys.argv``, after the first one.
    """
    if sys.prefix != sys.base_prefix:  # a virtual environment has its own packages
        return None
    try:
        from hermes_cli._launchers import resolve_store_python
        from pm.environments import install_state_dir
    except ImportError:  # Hermes before 0.22
        return None
    import hermes_cli

    root = Path(hermes_cli.__file__).resolve().parents[1]
    state = install_state_dir(root).resolve()
    environment = _environment_below(state / "environments")
    if environment is None:
        return None
    generation = environment.parent
    facts = {"packages": {"venv": {"environment": str(environment)}}}
    return HermesLauncher(
        command=command(root, resolve_store_python(root), code),
        folders=(generation,),
        places=(state, generation / ".leases"),
        files={state / "facts.json": json.dumps(facts).encode()},
        environment=environment,
        selected=lambda: committed(root),
    )


def command(root: Path, python: Path | None, code: str) -> tuple[str, ...]:
    """Return the command by which the launcher of the checkout ``root`` runs ``code``.

    ``python`` is the Python in the package manager's store.
    """
    from hermes_cli._launchers import runtime_command

    words = runtime_command(root, [_NO_UPDATE], code=_WITHOUT_IT + code, python=python)
    return tuple(str(word) for word in words)


def committed(root: Path) -> Path | None:
    """Return the environment that a new process would use now; None if it is unknown.

    After an update by Hermes's package manager this is another one than the gateway's.
    """
    from pm.environments import committed_venv

    try:
        found = committed_venv(root)
    except (OSError, RuntimeError):
        return None
    return None if found is None else Path(found)


def _environment_below(folder: Path) -> Path | None:
    """Return the environment in ``folder`` from which this process imports its dependencies."""
    for entry in sys.path:
        path = Path(entry).resolve()
        if path.is_relative_to(folder):
            return folder.joinpath(*path.relative_to(folder).parts[:2])
    return None
