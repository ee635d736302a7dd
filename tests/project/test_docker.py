"""The example image and service in `configs/`, as far as they can be checked without an engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "configs" / "Dockerfile").read_text("utf-8")
SERVICE = ROOT / "configs" / "hermes-gateway.service"
RECORD = '#!/bin/sh\necho "$0 $*" >> "{log}"\n'


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def build(image: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Do what the file says, in a folder instead of an image; its `bin` is what is on PATH."""
    opt = tmp_path / "opt" / "hermes-router"
    for sources, target in re.findall(r"^COPY (.+) (\S+)$", DOCKERFILE, re.MULTILINE):
        for source in sources.split():
            place = opt / target.removeprefix("/opt/hermes-router").strip("/")
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, dirs_exist_ok=True)
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / source, place)
    [run] = re.findall(r"^RUN (.+?[^\\])$", DOCKERFILE, re.MULTILINE | re.DOTALL)
    script = run.replace("\\\n", " ").replace("/opt/hermes-router", str(opt))
    path = f"{image}/bin:{Path(sys.executable).parent}:{os.defpath}"
    return subprocess.run(
        ["/bin/sh", "-c", script],
        env={"PATH": path}, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An environment whose `hermes` is a shell script with an `exec` line."""
    image, log = tmp_path / "image", tmp_path / "log"
    venv = image / "venv"
    program(venv / "bin" / "python", RECORD.format(log=log))
    (venv / "pyvenv.cfg").write_text("home = /usr/bin\n")
    program(venv / "bin" / "hermes", f"#!{venv}/bin/python\n")
    program(image / "bin" / "hermes", f'#!/usr/bin/env bash\nexec "{venv}/bin/hermes" "$@"\n')
    program(image / "bin" / "uv", RECORD.format(log=log))
    return image


def test_uv_installs_where_there_is_no_pip(image: Path, tmp_path: Path) -> None:
    done = build(image, tmp_path)
    assert done.returncode == 0, done.stderr
    ran = (tmp_path / "log").read_text()
    python, clone = f"{image}/venv/bin/python", f"{tmp_path}/opt/hermes-router"
    assert ran == f"{image}/bin/uv pip install --python {python} {clone}\n"


def test_pip_installs_where_it_is(image: Path, tmp_path: Path) -> None:
    pip = image / "venv/lib/python3.12/site-packages/pip"
    pip.mkdir(parents=True)
    (pip / "__init__.py").write_text("")
    done = build(image, tmp_path)
    assert done.returncode == 0, done.stderr
    ran = (tmp_path / "log").read_text()
    assert ran == f"{image}/venv/bin/python -m pip install {tmp_path}/opt/hermes-router\n"
    copied = tmp_path / "opt" / "hermes-router"
    wheel = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "w")]
    subprocess.run(wheel, cwd=copied, check=True, capture_output=True, timeout=200)


def test_a_managed_hermes_stops_the_build(image: Path, tmp_path: Path) -> None:
    code = f"#!/bin/sh\nexec {sys.executable} -I -c 'import hermes_bootstrap' \"$@\"\n"
    program(image / "bin" / "hermes", code)
    done = build(image, tmp_path)
    assert done.returncode != 0
    assert "hermes plugins install" in done.stdout


def test_the_service_builds_that_image_and_keeps_the_homes() -> None:
    compose = yaml.safe_load((ROOT / "configs" / "compose.yaml").read_text("utf-8"))
    gateway = compose["services"]["gateway"]
    assert (ROOT / gateway["build"]["dockerfile"]).is_file()
    assert set(gateway["build"]["args"]) == set(re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE))
    volume, place = gateway["volumes"][0].split(":")
    assert volume in compose["volumes"]
    assert gateway["environment"]["HERMES_HOME"] == place
    [seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", SERVICE.read_text(), re.MULTILINE)
    assert gateway["stop_grace_period"] == f"{seconds}s"
