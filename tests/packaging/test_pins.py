"""The comparison behind `make pins`, on reports as pip writes them (pip itself needs an index)."""

from __future__ import annotations

from tests.tools.check_pins import Resolution, compare, exact_pins, read_report


def resolution(versions: dict[str, str], pins: dict[str, str] | None = None) -> Resolution:
    return Resolution(versions=versions, pins=pins or {})


def test_a_report_gives_versions_and_the_pins_that_apply_here() -> None:
    read = read_report(
        {
            "install": [
                {
                    "metadata": {
                        "name": "hermes-agent",
                        "version": "0.19.0",
                        "requires_dist": ["PyYAML==6.0.3", "fastapi<1", 'mcp==1; extra == "mcp"'],
                    }
                },
                {"metadata": {"name": "PyYAML", "version": "6.0.3"}},
            ]
        }
    )
    assert read == resolution({"hermes-agent": "0.19.0", "pyyaml": "6.0.3"}, {"pyyaml": "6.0.3"})


def test_only_unconditional_exact_requirements_are_pins() -> None:
    requires = ["a==1", "b>=1,<2", 'c==1; sys_platform == "win32"', "d[x]==2", "e==1; extra == 'e'"]
    assert dict(exact_pins(requires)) == {"a": "1", "d": "2"}


def test_a_package_that_only_we_bring_is_not_a_move() -> None:
    verdict = compare(
        resolution({"pyyaml": "6.0.3"}, {"pyyaml": "6.0.3"}),
        resolution({"pyyaml": "6.0.3", "msgspec": "0.20.0", "hermes-profile-router": "0.1.0"}),
    )
    assert verdict.fine
    assert verdict.added == {"msgspec": "0.20.0"}


def test_another_version_of_what_hermes_brings_is_a_move() -> None:
    verdict = compare(resolution({"anyio": "4.16.0"}), resolution({"anyio": "4.14.2"}))
    assert not verdict.fine
    assert verdict.moved == {"anyio": ("4.16.0", "4.14.2")}


def test_a_pin_that_is_not_met_fails() -> None:
    verdict = compare(resolution({}, {"pyyaml": "6.0.3"}), resolution({"pyyaml": "6.0.2"}))
    assert not verdict.fine
    assert verdict.unmet == {"pyyaml": "6.0.2"}
