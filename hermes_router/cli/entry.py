"""Where a command begins and ends: this module turns errors into messages and exit statuses."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TextIO

from hermes_router.base.errors import RouterError
from hermes_router.cli import status
from hermes_router.cli.parser import COMMANDS, build_parser, run_command
from hermes_router.cli.terminal import output


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``hermes-router`` with the given or the process's arguments; return the exit status.

    Errors are shown here. Only ``SystemExit`` is raised: for a wrong command line and ``--help``.
    """
    argv = list(sys.argv[1:] if arguments is None else arguments)
    return guarded(lambda: _run(argv), argv)


def _run(argv: list[str]) -> int:
    first = argv[0] if any(word in COMMANDS for word in argv[1:]) else ""
    if first.startswith("-") and first not in {"-h", "--help", "--version"}:
        message = f"{first!r} stands before the command"
        hint = "options stand behind it: hermes-router COMMAND --home DIR"
        raise status.CommandError(message, hint=hint, status=status.WRONG)
    # Only the options of commands that occur in the arguments are needed to parse them.
    parser = build_parser([name for name in COMMANDS if name in argv])
    options = parser.parse_args(argv)
    if options.version:
        from hermes_router.cli.inspect import versions  # noqa: PLC0415 - slow, and rarely wanted

        return versions.show()
    return _run_or_help(options, parser.print_help)


def run_in_hermes(options: argparse.Namespace) -> NoReturn:
    """Run ``hermes router`` and exit: ``hermes`` returns 0 whatever a plugin's command returns."""
    output.called_as(_name_in_hermes(os.environ.get("HERMES_HOME", "")))
    sys.exit(guarded(lambda: _run_or_help(options, options.router_help), sys.argv[1:]))


def _name_in_hermes(home: str) -> str:
    """Return how a person calls the command inside ``hermes``, which has set its own home.

    ``hermes -p NAME`` does so too: without the name, a hint would be about another home.
    """
    from hermes_router.profiles.model import profile_name_of  # noqa: PLC0415 - for this case only

    profile = profile_name_of(Path(home))
    return "hermes router" if profile == "default" else f"hermes -p {profile} router"


def _run_or_help(options: argparse.Namespace, print_help: Callable[[TextIO], None]) -> int:
    """Run the command; if there is none, print the help and the command to run next."""
    if options.router_command is not None:
        return run_command(options)
    from hermes_router.cli.next_step import next_step  # noqa: PLC0415 - for this case only

    print_help(sys.stderr)
    print(output.clean(f"\nnext: {next_step()}"), file=sys.stderr)
    return status.WRONG


def guarded(action: Callable[[], int], argv: Sequence[str]) -> int:
    """Run a command (``action``), and return its exit status; turn exceptions into one.

    A mistake of the user gives a message. Any other exception is a bug and gives a report.
    """
    output.prepare()
    try:
        result = action()
        output.flush()
        return result
    except RouterError as error:
        output.complain(error)
        return status.status_of(error)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return status.INTERRUPTED
    except BrokenPipeError:  # the reader of the output has ended
        output.write_no_more()
        return status.PIPE_CLOSED
    except (PermissionError, FileNotFoundError) as error:
        output.complain(_of_system(error))
        return status.NEGATIVE
    except Exception as error:  # noqa: BLE001 - the top level: any other exception is a bug
        from hermes_router.cli import crash  # noqa: PLC0415 - for this case only

        crash.report(error, argv)
        return status.BUG


def _of_system(error: OSError) -> RouterError:
    """Return a system's error as an error for the user: a closed folder is no bug of ours."""
    if isinstance(error, PermissionError):
        hint = "run this as the user that runs the gateway"
        return RouterError(
            "this user has no permission to read it", where=str(error.filename), hint=hint
        )
    hint = "it was removed; change to a folder that exists, and run this again"
    where = str(error.filename or "the working directory")
    return RouterError("does not exist", where=where, hint=hint)
