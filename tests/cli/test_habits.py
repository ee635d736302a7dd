"""What every command has: help with examples, versions, colours, errors, a report for a bug."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import stat
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import psutil
import pytest

from hermes_router import __version__
from hermes_router.cli import main
from hermes_router.cli.crash import is_option_name
from hermes_router.cli.parser import COMMANDS, build_parser
from hermes_router.cli.terminal.output import clean
from hermes_router.protocol.messages import PROTOCOL_VERSION
from tests.cli.conftest import CHAT, CONFIG, ROOT, Installation

PLACE = f"telegram:{CHAT}:6"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help_with_examples(installation: Installation, command: str) -> None:
    shown = installation.run(*([command] if command else []), "--help")
    assert shown.status == 0
    assert shown.err == ""
    assert "examples:\n  hermes-router" in shown.out
    assert max(len(line) for line in shown.out.splitlines()) <= 100


@pytest.mark.parametrize("columns", [80, 60])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_help_fits_the_terminal(
    command: str,
    columns: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        main([command, "--help"] if command else ["--help"])
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if len(line) > columns] == []


def test_a_help_asks_the_terminal_for_its_width(installation: Installation) -> None:
    shown = _on_a_terminal(installation, "logs", "--help", columns=60)
    widths = [len(line) for line in re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()]
    assert 50 < max(widths) <= 60


def test_a_long_example_of_a_help_is_still_one_shell_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit):
        main(["test-route", "--help"])
    _, _, examples = capsys.readouterr().out.partition("examples:\n")
    commands = shlex.split(examples.partition("\n\n")[0].replace("\\\n", " "))
    assert commands.count("hermes-router") == commands.count("test-route") > 1


def test_the_help_of_say_tells_about_the_session(installation: Installation) -> None:
    text = " ".join(installation.run("test-route", "--help").out.split())
    assert "which is removed afterwards; with --keep it uses the place's real session" in text


def test_the_versions_are_the_routers_hermes_and_the_protocols(installation: Installation) -> None:
    shown = installation.run("--version")
    assert shown.status == 0
    lines = dict(line.split(maxsplit=1) for line in shown.out.splitlines())
    assert lines["hermes-router"] == __version__
    assert re.fullmatch(r"0\.\d+\.\d+(\.post\d+)?", lines["hermes-agent"])
    assert lines["protocol"] == str(PROTOCOL_VERSION)


def test_the_version_without_hermes_says_so(without_hermes: Installation) -> None:
    assert "not installed in this Python" in without_hermes.run("--version").out


def test_the_installed_script_is_the_same_command(installation: Installation) -> None:
    script = os.path.join(os.path.dirname(sys.executable), "hermes-router")  # noqa: PTH118, PTH120
    done = subprocess.run(
        [script, "test-route", PLACE], env=installation.environ(), capture_output=True, check=False
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["rotues"], "TIP: did you mean routes?"),
        (["routes", "--jsno"], "TIP: did you mean --json? see hermes-router routes --help"),
        (["--nothing"], "unrecognized arguments: --nothing"),
        (["doctor", "--home"], "expected one argument"),
        (["doctor", "--home", "nowhere"], "there is no Hermes home"),
        (["enable", "--json"], "unrecognized arguments: --json"),
        (["completion"], "the following arguments are required: shell"),
        (["enable", "now"], "unrecognized arguments: now"),
    ],
)
def test_a_wrong_command_line_is_an_error_and_a_tip(
    installation: Installation, arguments: list[str], complaint: str
) -> None:
    shown = installation.run(*arguments)
    assert shown.status == 2
    assert shown.out == ""
    assert shown.err.startswith("ERROR: ")
    assert complaint in shown.err
    assert "TIP: " in shown.err


def test_no_command_prints_the_help_and_fails(installation: Installation) -> None:
    shown = installation.run()
    assert shown.status == 2
    assert "examples:" in shown.err


def test_no_command_says_what_to_do_next(installation: Installation) -> None:
    assert "next: hermes gateway run" in installation.run().err
    installation.config.write_text("plugins: {enabled: [hermes-router]}\n")
    assert "next: hermes-router init" in installation.run().err
    installation.config.write_text("model: {default: x}\n")
    assert "next: hermes-router enable" in installation.run().err
    installation.config.write_text("plugins: [\n")
    assert "next: hermes-router routes" in installation.run().err


def _on_a_terminal(
    installation: Installation, *arguments: str, columns: int = 0, **env: str
) -> str:
    """Run the command with a terminal for its output; return what it wrote there."""
    ours, theirs = pty.openpty()
    if columns:
        termios.tcsetwinsize(theirs, (24, columns))
    read: list[bytes] = []

    def drain() -> None:
        try:
            while data := os.read(ours, 65536):
                read.append(data)
        except OSError:
            pass

    reader = threading.Thread(target=drain)
    reader.start()
    subprocess.run(
        [sys.executable, "-m", "hermes_router.cli", *arguments],
        env=installation.environ(TERM="xterm", **env),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        check=False,
        timeout=200,
    )
    os.close(theirs)
    reader.join(60)
    os.close(ours)
    return b"".join(read).decode()


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [
        (("turns",), "  hermes-router test-route PLACE"),
        (("logs",), "no entries yet; a running gateway writes the logs: hermes gateway run"),
        (("init", "--list"), "again"),
        (("test-route", PLACE), "answered by a worker of profile career"),
    ],
)
def test_what_is_said_in_words_fits_a_terminal_and_commands_stay_whole(
    installation: Installation, arguments: tuple[str, ...], whole: str
) -> None:
    shown = _on_a_terminal(installation, *arguments, columns=80, NO_COLOR="1").splitlines()
    assert whole in shown
    assert not [line for line in shown if len(line) > 80 and " " in line.strip()]


def test_colours_are_for_terminals_and_off_with_no_color(installation: Installation) -> None:
    assert "\x1b[1m" in _on_a_terminal(installation, "test-route", PLACE)
    assert "\x1b" not in _on_a_terminal(installation, "test-route", PLACE, NO_COLOR="1")
    assert "\x1b[31m" in _on_a_terminal(installation, "rotues")
    assert "\x1b" not in installation.run("test-route", PLACE).out


def test_an_answer_without_a_table_imports_no_rich(installation: Installation) -> None:
    script = """
import sys
from hermes_router.cli import main
status = main(sys.argv[1:])
print([name for name in sys.modules if name.partition(".")[0] == "rich"])
sys.exit(status)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, "test-route", PLACE],
        env=installation.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_python_without_rich_shows_each_route_on_lines_of_its_own(
    without_hermes: Installation,
) -> None:
    shown = without_hermes.run("routes")
    assert "telegram  chat -1003961179976, thread 6" in shown.out
    assert "PLATFORM" not in shown.out


def test_a_long_table_goes_through_the_persons_pager(installation: Installation) -> None:
    rows = "".join(f"        {number}: career\n" for number in range(100, 140))
    installation.config.write_text(CONFIG.replace("        7: absent\n", rows))
    command = ("routes", "--profile", "career")
    paged = _on_a_terminal(installation, *command, PAGER="sed s/^/page:/", COLUMNS="200")
    assert paged.startswith("page:")
    assert "page:\x1b[2mPLATFORM" in paged
    assert "page:" not in _on_a_terminal(installation, *command, PAGER="cat", COLUMNS="200")
    assert "page:" not in _on_a_terminal(
        installation, *command, PAGER="sed s/^/page:/", COLUMNS="200", LINES="200"
    )
    assert "page:" not in installation.run(*command, env=installation.environ(PAGER="false")).out
    assert installation.run(*command).out.count("telegram ") >= 40


def test_what_comes_from_files_cannot_steer_the_terminal(installation: Installation) -> None:
    text = installation.config.read_text().replace("6: career", '"6\\e[2J": career')
    installation.config.write_text(text)
    shown = _on_a_terminal(installation, "routes")
    assert "\x1b[2J" not in shown
    assert clean("a\x1b[31mred\x1b[0m\x1b]0;title\x07") == "a\x1b[31mred\x1b[0m\\x1b]0;title\\x07"


def test_a_reader_that_has_seen_enough_is_no_error(installation: Installation) -> None:
    routes = "".join(
        f"  - {{platform: irc, chat_id: c{n}, profile: career}}\n" for n in range(2000)
    )
    installation.config.write_text(f"profile_routes:\n{routes}")
    command = f"{sys.executable} -m hermes_router.cli routes | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"],
        env=installation.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "141"


def _shell(installation: Installation, command: str, **env: str) -> tuple[int, str, str]:
    """Run the command as a shell would, with what a shell can do to its output."""
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m hermes_router.cli {command}"],
        env=installation.environ(**env),
        cwd=installation.base,
        capture_output=True,
        check=False,
        timeout=200,
    )
    out, err = (stream.decode("utf-8", "surrogateescape") for stream in (done.stdout, done.stderr))
    assert "Traceback" not in err
    assert "bug" not in err
    return done.returncode, out, err


@pytest.mark.parametrize(
    "command", ["routes", "routes --json", "completion bash", "--version", f"test-route {PLACE}"]
)
def test_an_output_that_cannot_be_written_is_told(installation: Installation, command: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("only Linux has a device that is always full")
    status, _, complaint = _shell(installation, f"{command} > /dev/full")
    assert status == 74
    assert complaint == "ERROR: the output cannot be written: No space left on device\n"


def test_a_closed_output_changes_no_answer(installation: Installation) -> None:
    assert _shell(installation, "routes >&-") == (3, "", "")
    assert _shell(installation, f"test-route {PLACE} 2>&-")[0] == 0


def test_names_that_the_terminal_cannot_show_are_escaped(installation: Installation) -> None:
    file = installation.base / "draft.yaml"
    file.write_text(
        'profile_routes: [{platform: irc, chat_id: "#é", profile: career, name: Zoë}]\n', "utf-8"
    )
    status, shown, _ = _shell(
        installation, "test-route 'irc:#é' --config draft.yaml", PYTHONIOENCODING="ascii"
    )
    assert status == 0
    assert "route  Zo\\xeb -> career" in shown


def test_what_is_no_text_is_escaped_too(installation: Installation) -> None:
    status, shown, _ = _shell(installation, "test-route $'irc:-1\\xff:6' --json")
    assert status == 1
    assert json.loads(shown)["place"]["chat_id"] == "-1\udcff"
    status, shown, _ = _shell(installation, "test-route $'irc:-1\\xff:6'")
    assert (status, shown.splitlines()[1]) == (1, "  no route  unmatched: default")


def test_a_report_of_a_bug_may_name_each_of_our_options() -> None:
    [commands] = (action for action in build_parser()._actions if action.dest == "router_command")
    assert isinstance(commands.choices, dict)
    options = {
        name
        for command in commands.choices.values()
        for name in command._option_string_actions
        if name.startswith("--")
    }
    assert len(options) > 20
    assert [option for option in options if not is_option_name(option)] == []


def test_a_bug_leaves_a_report_without_anything_of_the_users(installation: Installation) -> None:
    script = """
import sys
from hermes_router.cli import main, parser
def run(options): raise KeyError("the secret of " + options.say)
real = parser.module
def module(name):
    found = real(name); found.run = run; return found
parser.module = module
sys.exit(main(sys.argv[1:]))
"""
    arguments = ["test-route", PLACE, "--say", "my words", "--user", "ada", "--sk-typo"]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments[:-1]],
        env=installation.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 70
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("ERROR: a bug in hermes-router: KeyError: ")
    (report,) = (installation.base / "state" / "hermes-router").iterdir()
    assert f"TIP: please send the report {report}" in done.stderr
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    text = report.read_text()
    assert "builtins.KeyError at" in text
    assert "hermes_router/cli/entry.py:" in text
    assert f"hermes-router: {__version__}" in text
    assert "options: --say --user" in text
    for private in ("my words", "secret", "ada", CHAT, str(installation.base), str(ROOT)):
        assert private not in text


def test_an_interrupt_is_status_130_without_a_traceback(installation: Installation) -> None:
    script = """
import sys
from hermes_router.cli import main, parser
def run(options): raise KeyboardInterrupt
real = parser.module
def module(name):
    found = real(name); found.run = run; return found
parser.module = module
sys.exit(main(["routes"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=installation.environ(), capture_output=True, check=False
    )
    assert done.returncode == 130
    assert done.stderr.strip() == b""


def test_ctrl_c_ends_what_a_command_started(installation: Installation) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "hermes_router.cli", "doctor"],
        env=installation.environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not (started := psutil.Process(process.pid).children()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        _, complaint = process.communicate(timeout=200)
    finally:
        process.kill()
    assert process.returncode == 130
    assert complaint.strip() == ""
    deadline = time.monotonic() + 60
    while alive := [child for child in started if _runs(child)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.02)


def _runs(process: psutil.Process) -> bool:
    """Whether it is there and not just waiting to be reaped by the system's first process."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("command", [["routes"], ["doctor"], ["test-route", "telegram:1"]])
def test_the_wrong_interpreter_is_told_with_the_way_to_mend_it(
    without_hermes: Installation, command: list[str]
) -> None:
    elsewhere = without_hermes.run(*command, "--home", "nowhere")
    assert elsewhere.status == 2
    assert "nowhere" in elsewhere.err
    for said in (elsewhere.err, without_hermes.run(*command).out):
        assert "Hermes is not installed in this Python" in said
    assert "-m pip install PATH_OF_YOUR_CLONE" in elsewhere.err
