"""``hermes-router test-route``: who would answer a message in a place, and why."""

from __future__ import annotations

import argparse

from hermes_router.cli import parser as commands
from hermes_router.cli import status
from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.answer import Answer
from hermes_router.cli.place import guild_of, ids
from hermes_router.cli.status import CommandError
from hermes_router.cli.terminal.output import say_json, tip
from hermes_router.routing.table import GENERAL, GENERAL_THREAD, Place

_EPILOG = """\
PLACE is PLATFORM:CHAT or PLATFORM:CHAT:THREAD. Ids may contain colons: the last one separates the
thread, on Matrix the ":$" before an event id; "PLATFORM:CHAT:*" names the chat alone. A link to a
chat of Telegram, Discord, Slack or Matrix is a place too.

--say starts a real worker: it can use its tools, change its memory, and its model costs money. It
uses a temporary session, which is removed afterwards; with --keep it uses the place's real
session.

examples:
  hermes-router test-route telegram:-1003961179976:6
  hermes-router test-route telegram:-1003961179976:general --user 5550001
  hermes-router test-route 'matrix:!room:example.org:$event' --json
  hermes-router test-route discord:222222222222222222 --guild 3333333 --parent 4444444
  hermes-router test-route telegram:-1003961179976:6 -v
  hermes-router test-route telegram:-1003961179976:6 --config draft.yaml
  hermes-router test-route telegram:-1003961179976:6 --say "hello"

exit status: 0 routed, 1 unmatched (Hermes answers, or nobody), or the gateway runs without the
router, 2 an error in the configuration or the command line, 3 the route's profile cannot be used;
with --say also 4, there was no answer
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EPILOG
    parser.add_argument("place", metavar="PLACE", help="where the message arrives, see below")
    parser.add_argument("--user", metavar="ID", help="the id of the sender")
    parser.add_argument("--guild", metavar="ID", help="the server or workspace of the chat")
    parser.add_argument("--parent", metavar="ID", help="the chat that contains the thread or post")
    parser.add_argument("--config", metavar="FILE", help="read this file, not the gateway's")
    commands.add_home_option(parser)
    commands.add_offline_option(parser)
    commands.add_verbose_option(parser, "also show the reasons, and what a worker would get")
    parser.add_argument("--say", metavar="TEXT", help="let a worker answer TEXT in this terminal")
    parser.add_argument(
        "--keep", action="store_true", help="with --say: use the place's real session"
    )
    parser.add_argument(
        "--chat-type",
        choices=("dm", "group", "channel", "thread", "forum"),
        help="with --say: the type of the chat (default: derived from PLACE)",
    )
    commands.add_json_option(parser)


def run(options: argparse.Namespace) -> int:
    """Print the answer; return the exit status."""
    place = place_of(options)
    _check(options)
    loaded = loading.load(options.home, options.config, offline=options.offline)
    answer = Answer(loaded, place)
    answered = answer.starts_worker or answer.by_table == "in_process"
    if options.say is not None and answered:
        from hermes_router.cli.commands import say_turn  # noqa: PLC0415 - needs anyio, which is slow

        return say_turn.run(options, answer)
    if options.json:
        say_json(answer.fields())
    else:
        answer.show(why=options.verbose)
        if options.say is not None:
            tip("no turn was run: --say needs a place that a worker answers")
    return answer.status


def _check(options: argparse.Namespace) -> None:
    if options.say is None and (options.keep or options.chat_type):
        raise CommandError(
            "--keep and --chat-type work only together with --say", status=status.WRONG
        )
    if options.say is not None and not options.say.strip():
        raise CommandError("--say needs a text", status=status.WRONG)


def place_of(options: argparse.Namespace) -> Place:
    """Return the place that the command line names.

    Raises:
        CommandError: the command line names no place.
    """
    try:
        platform, chat, thread = ids(options.place)
    except ValueError as error:
        hint = "see hermes-router test-route --help"
        raise CommandError(f"{options.place!r} {error}", hint=hint, status=status.WRONG) from None
    if platform == "telegram" and thread == GENERAL:
        thread = GENERAL_THREAD
    return Place(
        platform=platform,
        chat_id=chat,
        thread_id=thread,
        user_id=options.user,
        guild_id=options.guild or guild_of(options.place),
        parent_chat_id=options.parent,
    )
