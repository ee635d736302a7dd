"""The documentation's site: its check finds what would be loaded from another host."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.check_site import loaded_from_elsewhere, main


@pytest.mark.parametrize(
    "element",
    [
        '<script async src="https://cdn.example/x.js"></script>',
        '<img alt="" src="//cdn.example/x.png">',
        '<link rel="stylesheet" href="https://fonts.example/css">',
        '<link rel="preconnect" href="https://fonts.example" crossorigin>',
    ],
)
def test_what_a_page_loads_from_elsewhere_is_found(element: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(f"<html>{element}</html>")
    assert main(tmp_path) == 1


def test_a_link_that_a_person_may_follow_is_none() -> None:
    page = '<a href="https://example.org">there</a><script src="assets/x.js"></script>'
    assert loaded_from_elsewhere(page) == []


def test_a_site_without_pages_is_an_error(tmp_path: Path) -> None:
    assert main(tmp_path) == 1
