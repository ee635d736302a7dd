"""`hermes-router enable`: one name into a user's file, everything else as it was."""

from __future__ import annotations

import stat

import pytest
import yaml

from hermes_router.cli.setup.plugin_edit import CannotEdit, switched_on, with_plugin
from tests.cli.conftest import Installation

NAME = "hermes-router"

TEXTS = [
    "",
    "# only a comment\n",
    "a: 1\n",
    "a: 1",
    "---\na: 1\n",
    "plugins:\n",
    "plugins:\n# c\nb: 1\n",
    "plugins: # c\n\na: 1\n",
    "plugins: null\n",
    "plugins: ~ # c\n",
    "plugins: {}\n",
    "plugins: {disabled: [x]}\n",
    "plugins:\n  disabled: [x] # k\n  z: 1\n",
    "plugins:\n  enabled:\n  - a # c\n  # after\n  - b\n\n# end\nz: 2\n",
    "plugins:\n    enabled: [a,\n      b # hm\n    ]\n",
    "plugins:\n  enabled: [a, b,]\n",
    "plugins:\n  enabled: []\n",
    "plugins:\n  enabled:\n",
    "plugins:\n  enabled: # none yet\n  other: 1\n",
    "plugins:\n  enabled:\n    - a",
    "a:\r\n  b: 1\r\nplugins:\r\n  enabled:\r\n    - q\r\n",
    "a: |\n  text\n",
    "base: &base {x: 1}\nuse: *base\nplugins:\n  enabled:\n    - ä # ü\n",
    "\ufeffplugins:\n  enabled:\n    - a\n",
]

REFUSED = [
    "{a: 1}\n",
    "a: 1\n...\n",
    "a: 1\n---\nb: 2\n",
    "plugins: &p\n  enabled: &e [a]\nx: *e\n",
    "plugins:\n  enabled: a\n",
    "plugins: [a]\n",
    "plugins:\n  enabled: [a]\nplugins:\n  enabled: [b]\n",
    "- a\n",
    "a: [\n",
    "x: &x {enabled: [a]}\nplugins: {<<: *x}\n",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_name_is_added_and_nothing_else_changes(text: str) -> None:
    new = with_plugin(text, NAME)
    before, after = yaml.safe_load(text) or {}, yaml.safe_load(new)
    assert after["plugins"]["enabled"][-1] == NAME
    del after["plugins"]["enabled"][-1]
    old = before.get("plugins") or {}
    assert after["plugins"].get("enabled") == (old.get("enabled") or [])
    for line in text.splitlines():
        comment = line.partition("#")[2]
        assert comment in new


@pytest.mark.parametrize("text", [text for text in TEXTS if not text.startswith("\ufeff")])
@pytest.mark.parametrize("ends", [("\n", "\r\n"), ("\r\n", "\n"), ("\r\n", "\r\n", "\n")])
def test_every_line_keeps_its_own_end(text: str, ends: tuple[str, ...]) -> None:
    lines = text.replace("\r\n", "\n").splitlines(keepends=True)
    mixed = [line.replace("\n", end) for line, end in zip(lines, ends * 9, strict=False)]
    left = with_plugin("".join(mixed), NAME)
    for line in mixed:
        if line.endswith("\n") and line in left:
            left = left.replace(line, "", 1)
        else:  # the line that was edited; the last one had no end
            assert line.partition("#")[2] in left
    assert left.count("\n") <= 4


def test_a_comment_stays_in_its_line() -> None:
    text = "plugins:  # mine\n  # - one day\nb: 1\n"
    assert with_plugin(text, NAME).splitlines()[0] == "plugins:  # mine"


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_edited_for_certain_is_refused(text: str) -> None:
    with pytest.raises(CannotEdit):
        with_plugin(text, NAME)


def test_the_file_keeps_its_mode_its_comments_and_its_place(installation: Installation) -> None:
    repository = installation.base / "dotfiles.yaml"
    repository.write_text("# mine\nplugins:\n  enabled:\n    - other # keep\n")
    repository.chmod(0o640)
    installation.config.unlink()
    installation.config.symlink_to(repository)
    shown = installation.run("enable")
    assert shown.status == 0
    assert "enabled hermes-router in" in shown.out
    assert installation.config.is_symlink()
    assert stat.S_IMODE(repository.stat().st_mode) == 0o640
    wanted = "# mine\nplugins:\n  enabled:\n    - other # keep\n    - hermes-router\n"
    assert repository.read_text() == wanted
    assert sorted(path.name for path in installation.base.glob(".dotfiles*")) == []
    again = installation.run("enable")
    assert again.status == 0
    assert "is already enabled" in again.out
    assert repository.read_text() == wanted


def test_it_says_to_add_routes_only_where_there_are_none(installation: Installation) -> None:
    installation.config.write_text("model: {}\n")
    assert "route add PLACE PROFILE" in installation.run("enable").err
    routes = "gateway: {profile_routes: {telegram: {'-1001': {'6': career}}}}\n"
    installation.config.write_text(routes)
    told = installation.run("enable").err
    assert "route add" not in told
    assert "gateway restart" in told


def test_a_new_file_is_nobody_elses_to_read(installation: Installation) -> None:
    installation.config.unlink()
    assert installation.run("enable", "--home", str(installation.home)).status == 0
    assert stat.S_IMODE(installation.config.stat().st_mode) == 0o600
    assert yaml.safe_load(installation.config.read_text()) == {"plugins": {"enabled": [NAME]}}


def test_a_refused_edit_leaves_the_file_and_says_what_to_write(installation: Installation) -> None:
    text = "{gateway: {}}\n"
    installation.config.write_text(text)
    shown = installation.run("enable")
    assert shown.status == 1
    assert "cannot be edited safely" in shown.err
    assert "enabled: [hermes-router]" in shown.err
    assert installation.config.read_text() == text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "plugins:\n  disabled:\n  - x # not now\n  - hermes-router\n  z: 1\n",
            "plugins:\n  enabled:\n    - hermes-router\n  disabled:\n  - x # not now\n  z: 1\n",
        ),
        (
            "plugins: {enabled: [a, hermes-router], disabled: [hermes-router]} # c\n",
            "plugins: {enabled: [a, hermes-router], disabled: []} # c\n",
        ),
        (
            "plugins:\r\n  disabled: [b, hermes-router]\r\n  enabled: [a]\r\n",
            "plugins:\r\n  disabled: [b]\r\n  enabled: [a, hermes-router]\r\n",
        ),
    ],
)
def test_a_disabled_plugin_is_enabled_and_disabled_no_more(text: str, wanted: str) -> None:
    assert switched_on(text, NAME) == wanted
    assert switched_on(wanted, NAME) == wanted


def test_the_command_says_that_the_plugin_is_disabled_no_more(installation: Installation) -> None:
    installation.config.write_text(f"plugins: {{disabled: [{NAME}]}}\n")
    shown = installation.run("enable")
    assert shown.status == 0
    assert "(and removed it from plugins.disabled)" in shown.out
    assert installation.config.read_text() == (f"plugins: {{enabled: [{NAME}], disabled: []}}\n")


def test_a_broken_file_is_told_where_it_is_broken(installation: Installation) -> None:
    installation.config.write_text("a: [\n")
    shown = installation.run("enable")
    assert shown.status == 2
    assert f"{installation.config}:" in shown.err


def test_in_a_python_without_hermes_nothing_is_written(without_hermes: Installation) -> None:
    without_hermes.config.write_text("a: 1\n")
    hermes = without_hermes.base / "bin" / "hermes"
    hermes.parent.mkdir()
    hermes.write_text("#!/opt/hermes/bin/python3\n")
    hermes.chmod(0o755)
    without_hermes.extra["PATH"] = str(hermes.parent)
    shown = without_hermes.run("enable")
    assert shown.status == 1
    assert "Hermes is not installed in this Python" in shown.err
    assert (
        "TIP: install into Hermes's own Python, from a clone: /opt/hermes/bin/python3 -m pip"
        in shown.err
    )
    assert without_hermes.config.read_text() == "a: 1\n"


def test_hermes_itself_finds_the_plugin_enabled(installation: Installation) -> None:
    import subprocess
    import sys

    installation.config.write_text("# nothing yet\n")
    assert installation.run("enable").status == 0
    script = "from hermes_cli.plugins import _get_enabled_plugins as e; print(sorted(e()))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=installation.environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "['hermes-router']"
