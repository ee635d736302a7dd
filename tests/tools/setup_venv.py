"""`make setup`: a `.venv` with a real Hermes, this project (editable) and the test tools.

Runs under any Python 3.8 or newer, with the standard library alone: it looks for a Python that
fits and continues under that one. What is installed stands in pyproject.toml (the project's own
dependencies) and in tests/environments.toml (two dependency groups).

Safe to interrupt and to run twice at once. `.venv/.hermes-router-setup` says what is in there; a
`.venv` without it was made by somebody else and is left alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
#: The Hermes that was asked for, as `make setup HERMES=0.19` does; empty for the project's own.
HERMES = os.environ.get("HERMES", "")
VENV = ROOT / ".venvs" / HERMES if HERMES else ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"

#: Programs that some tests use, with Debian's package of each.
PROGRAMS = {
    "bwrap": "bubblewrap",
    "chromium": "chromium",
    "faketime": "faketime",
    "ngircd": "ngircd",
    "rsync": "rsync",
}
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
STAMP = VENV / ".hermes-router-setup"

#: Only the newest Hermes runs on Python 3.14.
OLD = HERMES not in {"", "0.22"}
FITTING = ((3, 11), (3, 12), (3, 13)) if OLD else ((3, 11), (3, 12), (3, 13), (3, 14))
GATEWAY = f"gateway-{HERMES}" if HERMES else "gateway"
NEEDS = f"Python 3.11 to 3.{FITTING[-1][1]} with its venv module"
HOW_TO_GET_ONE = """\
TIP: any of these gives one; then run make again:
       apt install python3.11 python3.11-venv
       brew install python@3.13
       pyenv install 3.13
       uv python install 3.13
     A Python in another place: make setup PYTHON=/path/to/python3.13"""

# Runs under whatever calls itself Python, so it must parse on every version.
PROBE = """
import json, sys
missing = []
for name in ("venv", "ensurepip", "ssl", "sqlite3", "zlib"):
    try:
        __import__(name)
    except ImportError:
        missing.append(name)
print(json.dumps({
    "version": list(sys.version_info[:3]),
    "base": getattr(sys, "_base_executable", None) or sys.executable,
    "missing": missing,
}))
"""


class SetupError(Exception):
    """The set-up cannot go on; the text says what to do."""


class Rejected(NamedTuple):
    """A Python that was looked at and does not fit."""

    name: str
    why: str


def main() -> int:
    """Bring `.venv` up to date; quick when it is."""
    try:
        if sys.version_info[:2] not in FITTING or "--here" not in sys.argv[1:]:
            _continue_under(_known_python() or _find_python())
        with _only_one_at_a_time():
            _bring_up_to_date()
    except SetupError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted: the next make setup starts afresh", file=sys.stderr)
        return 130
    return 0


# Which Python


def _continue_under(python: str) -> NoReturn:
    os.execv(python, [python, str(Path(__file__).resolve()), "--here"])


def _known_python() -> str | None:
    """The Python that the present `.venv` was made with, unless $PYTHON asks for another."""
    python = _read_stamp().get("python")
    if os.environ.get("PYTHON") or not python or not os.access(python, os.X_OK):
        return None
    return str(python)


def _find_python() -> str:
    """The first Python that fits. Raises SetupError, which lists those that did not."""
    rejected: list[Rejected] = []
    wanted = os.environ.get("PYTHON")
    for name in [wanted] if wanted else _candidates():
        base, why = _judge(name)
        if base:
            return base
        rejected.append(Rejected(name, why))
    seen = "\n".join(f"       {name}: {why}" for name, why in rejected)
    subject = "PYTHON does not fit" if wanted else "found none that fits"
    raise SetupError(f"this project needs {NEEDS}; {subject}:\n{seen}\n{HOW_TO_GET_ONE}")


def _candidates() -> Iterator[str]:
    for name in ("python3.13", "python3.12", "python3.11", "python3.14", "python3"):
        found = shutil.which(name)
        if found:
            yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    uv = Path.home() / ".local/share/uv/python"
    for minor in ("3.13", "3.12", "3.11", "3.14"):
        for folder, pattern in ((pyenv, f"{minor}.*"), (uv, f"cpython-{minor}.*")):
            yield from map(str, sorted(folder.glob(f"{pattern}/bin/python3"), reverse=True))


def _judge(name: str) -> tuple[str | None, str]:
    """The path of the Python behind a name (behind a venv or a pyenv shim), or why not."""
    try:
        answer = subprocess.run(
            [name, "-c", PROBE],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=30,
            check=True,
            cwd=os.sep,
        )
        facts: dict[str, Any] = json.loads(answer.stdout.decode())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None, "does not run"
    version = ".".join(map(str, facts["version"]))
    if tuple(facts["version"][:2]) not in FITTING:
        return None, f"is Python {version}"
    if facts["missing"]:
        return None, f"is Python {version} without {', '.join(facts['missing'])}"
    return facts["base"], ""


# What to do


def _bring_up_to_date() -> None:
    stamp = _read_stamp()
    packages, project = _wanted()
    if VENV.exists() and not stamp and any(VENV.iterdir()):
        raise SetupError(
            f"{VENV} was not made by make setup, so it is left alone.\n"
            "TIP: move it away or delete it, and run make again."
        )
    whole = stamp.get("state") == "ready" and _runs(VENV_PYTHON)
    if whole and stamp.get("packages") == packages and stamp.get("project") == project:
        return
    started = time.monotonic()
    python = os.path.realpath(sys.executable)
    if not whole or stamp.get("packages") != packages:
        _write_stamp(state="building")
        _make_venv(python, again=bool(stamp))
        _install_packages()
    _write_stamp(state="building")
    _install_project()
    _install_programs()
    _write_stamp(state="ready", python=sys.executable, packages=packages, project=project)
    _say(f"ready after {time.monotonic() - started:.0f} s")


def _wanted() -> tuple[str, str]:
    """Digests of what the packages and the installed project depend on."""
    config = _pyproject()
    place = [str(VENV), os.path.realpath(sys.executable), list(sys.version_info[:3])]
    packages = _digest([place, _requirements(config)])
    project = _digest([config["project"], config["build-system"], config["tool"]["hatch"]])
    return packages, project


def _pyproject() -> dict[str, Any]:
    import tomllib  # since 3.11: only the Python that was chosen comes here

    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return config | tomllib.loads((ROOT / "tests/environments.toml").read_text(encoding="utf-8"))


def _requirements(config: dict[str, Any]) -> list[str]:
    return [*config["project"]["dependencies"], *_group(config, GATEWAY), *_group(config, "dev")]


def _group(config: dict[str, Any], name: str) -> list[str]:
    """The requirements of a dependency group, those of the groups that it includes among them."""
    groups = config["dependency-groups"]
    if name not in groups:
        known = ", ".join(group.removeprefix("gateway-") for group in groups if "gateway-" in group)
        raise SetupError(f"there is no Hermes {HERMES!r} to install. TIP: HERMES is one of {known}")
    found: list[str] = []
    for item in groups[name]:
        found += [item] if isinstance(item, str) else _group(config, item["include-group"])
    return found


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _runs(python: Path) -> bool:
    try:
        return subprocess.run([str(python), "-c", ""], check=False, timeout=60).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


# The steps


def _make_venv(python: str, *, again: bool) -> None:
    version = ".".join(map(str, sys.version_info[:3]))
    afresh = " (from scratch)" if again else ""
    _say(f"[1/3] {VENV.relative_to(ROOT)} with Python {version}{afresh}")
    for entry in VENV.iterdir():
        if entry == STAMP:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    _run([python, "-m", "venv", str(VENV)], "could not make the virtual environment")


def _install_packages() -> None:
    config = _pyproject()
    requirements = _requirements(config)
    gateway = _group(config, GATEWAY)
    more = len(requirements) - len(gateway)
    _say(f"[2/3] {', '.join(gateway)} and {more} more requirements: a minute or two")
    _pip("install", *requirements)


def _install_project() -> None:
    _say("[3/3] this project, editable")
    # Its first name: Hermes would find the plugin twice.
    _pip("uninstall", "--quiet", "--yes", "hermes-router")
    _pip("install", "--quiet", "--no-build-isolation", "--no-deps", "--editable", str(ROOT))
    _pip("check")


def _install_programs() -> None:
    """Install what some tests need where that is easy; without it they are skipped, and say so."""
    missing = [
        package for program, package in PROGRAMS.items() if not shutil.which(program, path=_PATH)
    ]
    if not missing or not sys.platform.startswith("linux"):
        return
    apt = shutil.which("apt-get")
    if apt is not None and os.geteuid() == 0:
        _say(f"{', '.join(missing)}, for some tests")
        install = [apt, "install", "-y", "-qq", *missing]
        # The list of packages may be missing or old: only then is it fetched.
        if _quietly(install) or (_quietly([apt, "update", "-qq"]) and _quietly(install)):
            return
    _say(f"some tests will be skipped. TIP: apt install {' '.join(missing)}")


def _quietly(command: list[str]) -> bool:
    """Run a command of the package manager; say whether it succeeded. It starts no service."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=120,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _pip(*arguments: str) -> None:
    _run([str(VENV_PYTHON), "-m", "pip", *arguments], f"pip {arguments[0]} failed")


def _run(argv: list[str], failure: str) -> None:
    """Run a step with an environment in which no setting of the user redirects it."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    environment.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_USER="0", PYTHONUNBUFFERED="1")
    status = subprocess.run(argv, env=environment, cwd=str(ROOT), check=False).returncode
    if status:
        raise SetupError(
            f"{failure} (exit {status}).\n"
            "TIP: the lines above say why; it needs a network and about 800 MB of disk. "
            "Run make again after you have fixed that."
        )


def _say(text: str) -> None:
    print(f"setup: {text}", flush=True)


# The stamp and the lock


def _read_stamp() -> dict[str, Any]:
    """What the last set-up wrote; `{"state": "broken"}` when that cannot be read."""
    try:
        value = json.loads(STAMP.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return {"state": "broken"}
    return value if isinstance(value, dict) else {"state": "broken"}


def _write_stamp(**value: object) -> None:
    VENV.mkdir(parents=True, exist_ok=True)
    draft = STAMP.with_suffix(".new")
    draft.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    draft.replace(STAMP)


@contextlib.contextmanager
def _only_one_at_a_time() -> Iterator[None]:
    with (ROOT / "pyproject.toml").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another make setup is at work; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
