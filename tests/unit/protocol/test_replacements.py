"""Whether a version of Hermes should have a function, and whether the installed one lacks it."""

from __future__ import annotations

import pytest

from hermes_router.protocol.replacements import Replacement


def replacement(
    since: str, until: str | None = None, *, required: bool = False, found: bool = False
) -> Replacement:
    return Replacement(
        function="a.b", why="", since=since, until=until, required=required, found=found
    )


@pytest.mark.parametrize(
    ("since", "until", "version", "expected"),
    [
        ("0.19", None, "0.19.0", True),
        ("0.19", None, "0.22.2.post1", True),
        ("0.20", None, "0.19.0", False),
        ("0.21.3", None, "0.21.5.post2", True),
        ("0.21.3", None, "0.21", False),
        ("0.19", "0.20", "0.20.6.post1", True),
        ("0.19", "0.20", "0.21.0", False),
        ("0.19", None, "unknown", False),
    ],
)
def test_it_is_expected_in_the_versions_that_its_entry_names(
    since: str, until: str | None, version: str, *, expected: bool
) -> None:
    assert replacement(since, until).expected(version) is expected


def test_what_another_version_has_is_not_missing_unless_it_is_required() -> None:
    assert not replacement("999").missing
    assert replacement("999", required=True).missing
    assert replacement("0", required=True).missing
    assert not replacement("0", required=True, found=True).missing
