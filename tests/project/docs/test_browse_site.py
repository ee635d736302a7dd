"""The look at the pages in a real browser finds what would be wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.tools import browse_site

BROWSER = browse_site.found()

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="NOT SHOWN: no Chromium here"),
    pytest.mark.timeout(180),
]

STYLE = """<style>
@media (prefers-color-scheme: dark) { body { background: rgb(1, 2, 3) } }
</style>"""

WRONG = {
    "script": ("<script>nobody.knows()</script>", "(light) fails: nobody is not defined"),
    "picture": ('<img src="gone.png">', "(dark) logs: Failed to load resource"),
    "host": ('<img src="http://127.0.0.1:9/x.png">', "(light) asks http://127.0.0.1:9/x.png"),
    "width": ('<div style="width: 900px">wide</div>', "(narrow) is 5"),
    "page": ('<a href="gone.html">gone</a>', "links to gone.html, which is not there"),
    "heading": ('<a href="host.html#gone">gone</a>', "links to #gone of host.html, which is not"),
}
"""Pages with one fault each, and how the line about it goes on after the page's name."""


def look_at(folder: Path, bodies: Mapping[str, str], style: str = STYLE) -> list[str]:
    """Return what is wrong with a site of such pages."""
    for name, body in bodies.items():
        page = f"<!doctype html><link rel=icon href='data:,'>{style}<body>{body}</body>"
        (folder / f"{name}.html").write_text(page)
    assert BROWSER is not None
    return browse_site.look_at(folder, BROWSER)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    bodies = {name: body for name, (body, _line) in WRONG.items()}
    return look_at(tmp_path_factory.mktemp("wrong"), bodies)


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_page_is_found(name: str, lines: list[str]) -> None:
    found = [line for line in lines if line.startswith(f"{name}.html ")]
    assert any(line.removeprefix(f"{name}.html ").startswith(WRONG[name][1]) for line in found)


def test_a_whole_site_is_right(tmp_path: Path) -> None:
    links = '<a href="other.html#there">on this site</a> <a href="https://example.org">else</a>'
    assert look_at(tmp_path, {"index": links, "other": '<h1 id="there">Other</h1>'}) == []


def test_pages_that_do_not_get_dark_are_found(tmp_path: Path) -> None:
    [line] = look_at(tmp_path, {"index": "light only"}, style="")
    assert "dark" in line
