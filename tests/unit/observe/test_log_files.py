"""Which logs belong to a gateway and its profiles."""

from __future__ import annotations

from pathlib import Path

from hermes_router.observe.log_files import log_files


def sources(home: Path, root: Path) -> list[tuple[str, str]]:
    files = log_files(home, root, ["career", "kids"])
    assert len({file.path for file in files}) == len(files)
    return [(file.source, file.profile) for file in files]


def test_a_gateway_and_each_profile_have_logs(tmp_path: Path) -> None:
    assert sources(tmp_path, tmp_path) == [
        ("gateway", ""),
        *(("worker", "career"), ("profile", "career")),
        *(("worker", "kids"), ("profile", "kids")),
    ]


def test_the_log_of_a_profiles_own_gateway_is_read_once(tmp_path: Path) -> None:
    assert sources(tmp_path / "profiles" / "kids", tmp_path) == [
        ("gateway", ""),
        *(("worker", "career"), ("profile", "career")),
        ("worker", "kids"),
    ]
