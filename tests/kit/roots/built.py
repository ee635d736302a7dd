"""`BuiltInstall`: Hermes as its own package manager installs it, nothing of it laid out by hand.

    with PackageIndex(folder) as index:
        install = BuiltInstall(root.path, index, root.gateway_environ())
        install.build()
        subprocess.run([install.launcher, "--version"])

Of Hermes are its whole package manager (`pm`), `hermes plugins`, `hermes update`, the launcher, and
the store, generations and records that they leave. Of the tests are the things that Hermes's makers
publish, because the wheel has none of them and no server outside is reached:

- the repository of the checkout: the wheel's modules, a `pyproject.toml` from its metadata, locks;
- the archives of Python and uv, and what `pm/lock.json` says of them;
- the package index, with what the tests' Python has installed.

`pm` demands a Python 3.14 in its own `pyproject.toml`. Here that file asks for the Python that runs
the tests, because the packages are those of that Python.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from tests.kit.outside.package_index import PackageIndex
from tests.kit.roots.managed import VERSION, ManagedInstall

BRANCH = "releases"
"""Not `main`: there, Hermes takes a repository of somebody else's for a fork, and asks GitHub."""

_WHO = ("-c", "user.name=kit", "-c", "user.email=kit@localhost", "-c", "commit.gpgsign=false")
_IGNORED = ".hermes/\n__pycache__/\n.bytecode-fingerprint\ninstall-stamp.json\n"
_INSTALL = """\
import sys
sys.path.insert(0, {root!r})
from pm.runtime import run_cli
sys.exit(run_cli(["install"]))
"""
_MACHINE = f"sys_platform == '{sys.platform}' and platform_machine == '{platform.machine()}'"
_THIS_PYTHON = f"=={VERSION}.*"
#: What the package manager's packages need in turn, on Pythons before 3.14.
_NEEDED_IN_TURN = "ruamel.yaml.clib"


class BuiltInstall(ManagedInstall):
    """One installation below a Hermes home, with the repository that it is updated from."""

    def __init__(self, home: Path, index: PackageIndex, environ: dict[str, str]) -> None:
        super().__init__(home)
        self.index = index
        self.environ = environ
        """The environment of all programs that build it; the user's, like that of the gateway."""
        self.repository = home.parent / "repository"
        self._uv = Path(sys.executable).with_name("uv")

    def build(self) -> None:
        """Publish a release of Hermes, clone it, and have its package manager install it."""
        self._publish()
        self._git("clone", "--quiet", str(self.repository), str(self.checkout))
        base = [str(Path(sys.executable).resolve()), "-I", "-c"]
        self._run([*base, _INSTALL.format(root=str(self.checkout))])
        self.python = self.store / self._facts(self.store)["python"]["entry"] / "bin" / "python3"

    def remove(self) -> None:
        """Remove all of it but the home: it is large."""
        super().remove()
        for folder in (self.repository, self.index.folder, self.home / "cache"):
            shutil.rmtree(folder, ignore_errors=True)

    def release(self, version: str) -> None:
        """Publish the next release of Hermes: another version, and a gateway with another text."""
        project = self._read("pyproject.toml")
        project["project"]["version"] = version
        self._write("pyproject.toml", tomli_w.dumps(project))
        run = self.repository / "gateway" / "run.py"
        self._write("gateway/run.py", f"{run.read_text('utf-8')}\n# {version}\n")
        self._lock("")
        self._commit(version)

    def generation(self) -> Path:
        """Return the folder of the generation that a process would use which starts now."""
        return Path(self._facts(self.state)["venv"]["environment"]).parent

    def _publish(self) -> None:
        """Make the repository of the first release, and the archives that it names."""
        self._lay_out_checkout(self.repository)
        pins = {"python": self._pack_python(), "uv": self._pack_uv()}
        self._write("pm/lock.json", json.dumps({"schema": 1, "packages": pins}))
        self._write("pm/pyproject.toml", tomli_w.dumps(self._manager()))
        self._write("pyproject.toml", tomli_w.dumps(self._project()))
        self._write(".gitignore", _IGNORED)
        (self.repository / "pm" / "uv.lock").unlink()
        self._lock("pm", "--no-config")
        self._lock("")
        self._git("init", "--quiet", "--initial-branch", BRANCH)
        self._commit("first")

    def _pack_python(self) -> dict[str, Any]:
        self._lay_out_store()
        pin = self._pin(self.store / "python", "release", f"{platform.python_version()}+1")
        shutil.rmtree(self.store)
        return pin

    def _pack_uv(self) -> dict[str, Any]:
        said = self._run([str(self._uv), "--version"])
        return self._pin(self._uv, "release/uv", said.split()[1])

    def _pin(self, content: Path, name: str, version: str) -> dict[str, Any]:
        """Pack an archive, and return what the package manager's lock says of it.

        It has files in place of links: the package manager refuses those that lead out of it.
        """
        archive = self.index.folder / f"{content.name}.tar.gz"
        with tarfile.open(archive, "w:gz", compresslevel=0, dereference=True) as packed:
            packed.add(content, name)
        return {"version": version, "artifacts": {"any": self.index.file(archive.name)}}

    def _manager(self) -> dict[str, Any]:
        """Return the project of the package manager, for this Python and with packages from here.

        It takes an index from no settings.
        """
        project = self._read("pm/pyproject.toml")
        needed: list[str] = project["project"]["dependencies"]
        needed += [_NEEDED_IN_TURN] * self.index.has(_NEEDED_IN_TURN)
        names = [re.split(r"[^\w.-]", requirement)[0] for requirement in needed]
        project["project"]["requires-python"] = _THIS_PYTHON
        sources = {name: {"url": self.index.wheel(name)["url"]} for name in names}
        project["tool"]["uv"]["sources"] = sources
        return project

    def _project(self) -> dict[str, Any]:
        """Return the project of Hermes, which the wheel does not have, as its metadata says."""
        metadata = self._hermes.metadata
        required = metadata.get_all("Requires-Dist") or []
        telegram = [r.partition(";")[0].strip() for r in required if 'extra == "telegram"' in r]
        packages = sorted(p.name for p in self.repository.iterdir() if p.is_dir())
        return {
            "project": {
                "name": "hermes-agent",
                "version": metadata["Version"],
                "requires-python": _THIS_PYTHON,
                "dependencies": [r for r in required if "extra ==" not in r],
                "optional-dependencies": {"all": telegram},
            },
            "build-system": {"requires": ["hatchling"], "build-backend": "hatchling.build"},
            "tool": {
                "hatch": {"build": {"targets": {"wheel": {"packages": packages}}}},
                "uv": {
                    "environments": [_MACHINE],
                    "index": [{"url": self.index.simple, "default": True}],
                },
            },
        }

    def _lock(self, folder: str, *options: str) -> None:
        """Write the `uv.lock` of a project in the repository."""
        python = str(Path(sys.executable).resolve())
        cache = str(self.home / "cache" / "uv")
        words = ["--quiet", *options, "--python", python, "--cache-dir", cache]
        self._run([str(self._uv), "lock", *words], self.repository / folder)

    def _commit(self, message: str) -> None:
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)

    def _git(self, *arguments: str) -> None:
        self._run(["git", *_WHO, *arguments], self.repository)

    def _run(self, command: list[str], folder: Path | None = None) -> str:
        done = subprocess.run(
            command, cwd=folder, env=self.environ, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _read(self, name: str) -> dict[str, Any]:
        return tomllib.loads((self.repository / name).read_text("utf-8"))

    def _write(self, name: str, text: str) -> None:
        """Write a file of the repository anew: the old one may be the tests' Hermes's own."""
        (self.repository / name).unlink(missing_ok=True)
        (self.repository / name).write_text(text, "utf-8")

    def _facts(self, folder: Path) -> dict[str, Any]:
        """Return what the package manager has recorded in a folder."""
        text = (folder / "facts.json").read_text("utf-8")
        recorded: dict[str, Any] = json.loads(text)["packages"]
        return recorded
