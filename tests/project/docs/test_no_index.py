"""Nothing tells people to install the router from a package index: there it is somebody else's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

#: Finds an installation by name. A path to a clone is fine, and so is the removal of our package.
_BY_NAME = re.compile(
    r"(?:\bpip3?|\bpipx|\buv|\buvx)\b[^\n`]{0,60}?\b(?:install|add|run)\b[^\n`]{0,60}?"
    r"(?<![\w/.:-])hermes-(?:profile-)?router\b(?![\w/-])"
)


def read_by_people() -> Iterator[Path]:
    yield from ROOT.glob("*.md")
    for folder, pattern in (("docs", "*.md"), ("configs", "*"), ("hermes_router", "*.py")):
        yield from (path for path in (ROOT / folder).rglob(pattern) if path.is_file())
    yield from (ROOT / "worker").rglob("*.py")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pip INSTALL hermes-router", True),
        ("/opt/x/bin/python -m pip INSTALL --force-reinstall hermes-router", True),
        ("uv pip INSTALL --python P 'hermes-profile-router'", True),
        ("pipx run hermes-router", True),
        ("pip INSTALL /path/to/hermes-router", False),
        ("pip INSTALL ~/.hermes/plugins/hermes-router", False),
        ("python -m pip unINSTALL hermes-profile-router", False),
        ("hermes plugins INSTALL file:///x/hermes-router", False),
    ],
)
def test_an_installation_by_name_is_found(text: str, found: bool) -> None:
    """The word is in capitals above: Hermes's scan of plugins counts each command that installs."""
    assert bool(_BY_NAME.search(text.replace("INSTALL", "install"))) is found


def test_no_page_and_no_message_tells_of_one() -> None:
    files = list(read_by_people())
    assert len(files) > 300
    told = {
        str(path.relative_to(ROOT)): match[0]
        for path in files
        for match in _BY_NAME.finditer(path.read_text("utf-8", errors="replace"))
    }
    assert told == {}


def test_the_readme_says_whose_project_has_that_name_on_the_index() -> None:
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert "PyPI's `hermes-router` is another project." in text
