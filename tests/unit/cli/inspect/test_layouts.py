"""Hermes as people have it: the Python behind the command, and what installs into it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hermes_router.cli.inspect import layouts


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A virtual environment with pip and a ``hermes``."""
    home = tmp_path / "hermes-agent" / "venv"
    script(home / "bin" / "python", "")
    script(home / "bin" / "hermes", f"#!{home}/bin/python\nimport sys\n")
    (home / "pyvenv.cfg").write_text("home = /usr/bin\n")
    pip = home / "lib/python3.12/site-packages/pip"
    pip.mkdir(parents=True)
    (pip / "__init__.py").write_text("")
    return home


def test_a_script_of_python_names_its_python(venv: Path) -> None:
    found = layouts.found(str(venv / "bin/hermes"))
    assert (found.kind, found.python) == ("pip", venv / "bin/python")
    assert found.install == f"{venv}/bin/python -m pip install PATH_OF_YOUR_CLONE"


def test_an_environment_of_uv_has_no_pip(venv: Path) -> None:
    (venv / "lib/python3.12/site-packages/pip/__init__.py").unlink()
    found = layouts.found(str(venv / "bin/hermes"))
    assert found.install == f"uv pip install --python {venv}/bin/python PATH_OF_YOUR_CLONE"


@pytest.mark.parametrize(
    "line",
    [
        'exec "{venv}/bin/hermes" "$@"',
        'exec {venv}/bin/python -m hermes_cli.main "$@"',
        'unset PYTHONPATH\nexec env HERMES=1 "{venv}/bin/hermes" "$@"',
        'if true; then\n  exec "{venv}/bin/hermes" "$@"\nfi',
    ],
)
def test_a_shell_script_is_followed_to_the_python(venv: Path, tmp_path: Path, line: str) -> None:
    shim = script(tmp_path / "bin/hermes", "#!/usr/bin/env bash\n" + line.format(venv=venv) + "\n")
    found = layouts.found(str(shim))
    assert (found.kind, found.python, found.command) == ("pip", venv / "bin/python", shim)


def test_a_managed_hermes_is_told_to_install_a_plugin(tmp_path: Path) -> None:
    code = "import sys\nimport hermes_bootstrap\n"
    text = f"#!/bin/sh\nexec /store/python/bin/python3 -I -c '{code}' \"$@\"\n"
    shim = script(tmp_path / "bin/hermes", text)
    found = layouts.found(str(shim))
    assert found.kind == "managed"
    wanted = f"{shim} plugins install file://PATH_OF_YOUR_CLONE --enable --yes-deps"
    assert found.install == wanted


@pytest.mark.parametrize(
    "text", ["", "#!/bin/sh\necho no\n", "\x7fELF", "#!/bin/sh\nexec ./x 'a\n"]
)
def test_what_cannot_be_followed_is_unknown(tmp_path: Path, text: str) -> None:
    found = layouts.found(str(script(tmp_path / "hermes", text)))
    assert found.kind == "unknown"
    assert "PYTHON_OF_HERMES" in found.install


def test_scripts_that_start_each_other_are_not_followed_for_ever(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    script(one, f"#!/bin/sh\nexec {two}\n")
    script(two, f"#!/bin/sh\nexec {one}\n")
    assert layouts.found(str(one)).kind == "unknown"


def test_this_python_is_looked_at_through_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import sys\nimport hermes_bootstrap\n"
    script(tmp_path / "hermes", f"#!/bin/sh\nexec {sys.executable} -I -c '{code}' \"$@\"\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert layouts.here().kind == "managed"
    script(tmp_path / "hermes", "#!/bin/sh\nexec /another/python -m hermes_cli.main\n")
    assert layouts.here().python == Path(sys.executable)


def test_of_several_hermes_the_first_on_the_path_is_meant(
    venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = script(tmp_path / "other/bin/hermes", "#!/opt/other/bin/python\n")
    for first, python in ((other, Path("/opt/other/bin/python")), (venv / "bin/hermes", None)):
        monkeypatch.setenv("PATH", f"{first.parent}:{venv}/bin:{other.parent}")
        assert layouts.found().command == first
        assert layouts.found().python == (python or venv / "bin/python")
