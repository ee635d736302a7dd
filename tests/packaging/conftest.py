"""Built distributions, made once for the tests that look into them. Nothing needs a network."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Distributions:
    """The wheel and the sdist of this tree, and the wheel built from that sdist."""

    wheel: Path
    sdist: Path
    wheel_of_sdist: Path


def build(target: str, source: Path, folder: Path) -> Path:
    argv = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(argv, cwd=source, check=True, capture_output=True, timeout=200)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    folder = tmp_path_factory.mktemp("dist")
    sdist = build("sdist", ROOT, folder / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return Distributions(
        wheel=build("wheel", ROOT, folder / "wheel"),
        sdist=sdist,
        wheel_of_sdist=build("wheel", unpacked, folder / "again"),
    )


@pytest.fixture(scope="session")
def wheel_names(distributions: Distributions) -> list[str]:
    with zipfile.ZipFile(distributions.wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="session")
def wheel_python(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment that holds our wheel and nothing else."""
    place = tmp_path_factory.mktemp("fresh") / "venv"
    python = place / "bin" / "python"
    make = [sys.executable, "-m", "venv", "--without-pip", str(place)]
    subprocess.run(make, check=True, capture_output=True, timeout=200)
    install = [sys.executable, "-m", "pip", "--python", str(python), "install"]
    install += ["--quiet", "--no-index", "--no-deps", str(distributions.wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=200)
    return python
