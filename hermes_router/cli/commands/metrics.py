"""``hermes-router metrics``: the running gateway's figures as OpenMetrics text."""

from __future__ import annotations

import argparse

from hermes_router.cli import parser as commands
from hermes_router.cli.inspect.gateway.unanswered import ask
from hermes_router.cli.inspect.homes import gateway_home, given_path
from hermes_router.cli.status import NO_OUTPUT, OK, CommandError
from hermes_router.cli.terminal.output import write
from hermes_router.observe.metrics import classic
from hermes_router.protocol.files.whole_file import replace_file

_EPILOG = """\
For node exporter's textfile collector, let cron or a systemd timer run this each minute:

  hermes-router metrics --output /var/lib/node_exporter/textfile/hermes_router.prom

examples:
  hermes-router metrics

exit status: 0 done, 1 no gateway is running, or it does not answer
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="write the figures to this file, which is replaced in one step",
    )
    commands.add_home_option(parser)


def run(options: argparse.Namespace) -> int:
    """Print or write the figures; return the exit status."""
    text = ask(gateway_home(options.home), "metrics").metrics or ""
    if options.output is None:
        write(text.removesuffix("\n"))
        return OK
    path = given_path("--output", options.output)
    try:
        replace_file(path, classic(text).encode())
        path.chmod(0o644)
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        raise CommandError(message, where=str(path), status=NO_OUTPUT) from error
    return OK
