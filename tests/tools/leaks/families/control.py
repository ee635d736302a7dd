"""Control: commands and replies that act on another profile, or leave through its bot."""

from __future__ import annotations

import threading
from functools import partial

from tests.kit import DEFAULT_KEY, USER
from tests.tools.leaks.families.policy import STRANGER
from tests.tools.leaks.row import IN_PROCESS, LOCAL, SANDBOX, Row
from tests.tools.leaks.side import Side
from tests.tools.leaks.world import (
    ALICE,
    BOB,
    CAROL,
    DEFAULT,
    ERIN,
    ERINS_BOT,
    EXPLICIT,
    NOBODY,
    World,
)

ONE_BOT = "the gateway connects its own bot; a profile with a bot of its own has its own gateway"


def missing_profile(side: Side) -> str:
    """Look who answers there: Hermes 0.22 says nothing at all, the router says why nobody does."""
    seen, seq, mark = side.model.seq, side.telegram.seq, side.mark()
    topic = side.say(NOBODY, f"hello {mark}")

    def told() -> bool:
        return any(message.seq > seq for message in side.telegram.transcript(thread_id=topic))

    if not side.wait(told, 15) and side.name != IN_PROCESS:
        side.unsure("the place is not told why nobody answers")
    asked = [r for r in side.model.requests("chat", after=seen) if mark in r.last_user]
    return "the launch profile answers" if any(r.api_key == DEFAULT_KEY for r in asked) else ""


def profile_command(side: Side) -> str:
    said = side.ask(BOB, "/profile").text
    return "" if BOB in said else f"it says {said[:60]!r}"


def shown_model(side: Side, command: str) -> str:
    """Compare the model that a command names in a new conversation with the one that answers."""
    said = side.ask(BOB, command).text
    if "model-of-bob" in said:
        return ""
    return "the launch profile's model" if "kit-model" in said else f"it says {said[:60]!r}"


def model_for_good(side: Side) -> str:
    homes = {name: side.world[name].path / "config.yaml" for name in (DEFAULT, CAROL)}
    before = {name: path.read_text() for name, path in homes.items()}
    side.ask(CAROL, "/model kit-model --provider custom --global")
    side.ask(CAROL, "/reasoning high --global")
    changed = [name for name, path in homes.items() if path.read_text() != before[name]]
    for name, path in homes.items():  # the rows after this one are not about what was changed
        path.write_text(before[name])
    if not changed:
        side.unsure("the commands changed nothing")
    wrong = [f"{name}'s config.yaml is changed" for name in changed if name != CAROL]
    return ", ".join(wrong)


def stop_command(side: Side) -> str:
    """Say /stop in bob's place while alice works."""
    seen, seq, mark = side.model.seq, side.telegram.seq, side.mark()
    hold = side.hold(f"hold {mark}")
    topic = side.say(ALICE, f"hold {mark}")
    side.model.wait_chat(f"hold {mark}", timeout=150, after=seen)
    side.ask(BOB, "/stop")
    threading.Event().wait(1.0)  # what would be stopped has the time for it
    hold.set()
    stopped = not side.wait(
        lambda: any(
            f"held {mark}" in message.text
            for message in side.telegram.transcript(thread_id=topic)
            if message.seq > seq
        ),
        30,
    )
    return "alice's turn is stopped" if stopped else ""


def plant_explicit(world: World) -> None:
    world.topics[EXPLICIT] = DEFAULT


def plant_admin(world: World) -> None:
    """Name who may give all commands in chats of two, and route a chat with somebody else."""
    world.root.configure({"platforms": {"telegram": {"allow_admin_from": [str(USER)]}}})
    world.chats[STRANGER] = BOB


def plant_own_bot(world: World) -> None:
    """Give erin a bot of her own with a list of users, whatever the gateway makes of it."""
    config = world.root.config["platforms"]["telegram"]
    world[ERIN].configure({"platforms": {"telegram": dict(config) | {"token": ERINS_BOT}}})
    world[ERIN].env({"TELEGRAM_BOT_TOKEN": ERINS_BOT, "TELEGRAM_ALLOWED_USERS": str(USER)})


def receiving_bot(side: Side) -> str:
    """Write to the gateway's bot in a place that is routed to erin."""
    mark, seen = side.mark(), side.model.seq
    said = side.ask(ERIN, f"{mark} [[say done {mark}]]", contains=f"done {mark}")
    asked = [r for r in side.model.requests("chat", after=seen) if mark in r.last_user]
    if {request.api_key for request in asked} != {f"key-of-{ERIN}"}:
        side.unsure("it is not erin who answers")
    return "" if said.token == side.world.root.token else "another bot answers"


def own_bot(side: Side) -> str:
    """Write to two bots as one person, and look who answers in each of the two chats."""
    wrong = []
    for name, token in ((DEFAULT, side.world.root.token), (ERIN, ERINS_BOT)):
        mark, seen = side.mark(), side.model.seq
        text = f"which of you? [[say done {mark}]]"
        side.telegram.say(text, chat_id=USER, bot_token=token)
        said = side.telegram.wait_reply(USER, None, contains=f"done {mark}", timeout=150)
        keys = {r.api_key for r in side.model.requests("chat", after=seen) if mark in r.last_user}
        if keys != {f"key-of-{name}"} or said.token != token:
            wrong.append(f"{', '.join(sorted(keys))} answers {name}'s")
    return ", ".join(wrong)


def route_to_default(side: Side) -> str:
    """After a turn of bob's, write where the route says `default`; in process to erin's bot."""
    side.run(BOB, "true")
    seen, mark = side.model.seq, side.mark()
    token = ERINS_BOT if side.name == IN_PROCESS else side.world.root.token
    shown = f'[[tool terminal {{"command": "echo home=$HERMES_HOME {mark}"}}]]'
    side.ask(DEFAULT, shown, EXPLICIT, contains=f"{mark}", bot_token=token)
    requests = [r for r in side.model.requests("chat", after=seen) if mark in r.last_user]
    right = {r.api_key for r in requests} == {DEFAULT_KEY} and any(
        f"home={side.world.root.path} {mark}" in r.body.decode() for r in requests
    )
    return "" if right else "another profile answers, or its home is that of the turn"


def restart_by_anybody(side: Side) -> str:
    """Say it as somebody who may write, but is not in the gateway's list of admins."""
    seq = side.telegram.seq
    side.telegram.say("/restart", chat_id=STRANGER)
    side.telegram.wait_reply(STRANGER, None, after=seq, timeout=150)
    return "the gateway restarts" if side.wait(lambda: not side.gateway.running, 5) else ""


ROWS = (
    Row(
        key="R1",
        what="a route to a profile that does not exist is answered by another",
        probe=missing_profile,
        upstream=(83377, 106019),
        leaked_until="0.19",
    ),
    Row(
        key="R3",
        what="`/profile` names another profile",
        probe=profile_command,
        upstream=(62244, 86946, 92530),
        unseen="Hermes names the profile that the place is routed to",
    ),
    Row(
        key="R3m",
        what="`/model` shows another profile's model",
        probe=partial(shown_model, command="/model"),
        upstream=(92530,),
        leaked_until="0.19",
    ),
    Row(
        key="R3s",
        what="`/status` shows another profile's model",
        probe=partial(shown_model, command="/status"),
        upstream=(86946, 92530),
        leaked_until="0.19",
    ),
    Row(
        key="C7",
        what="`/model --global`, `/reasoning --global` write another profile's config.yaml",
        probe=model_for_good,
        upstream=(81764, 87939, 75684, 72476),
        leaked_until="0.19",
    ),
    Row(
        key="R7",
        what="`/stop` ends another profile's turn",
        probe=stop_command,
        upstream=(88404, 89860, 108294),
        unseen="of one bot, each topic has a lane of its own",
    ),
    Row(
        key="R5",
        what="the answer leaves by another bot than the one that was asked",
        plant=plant_own_bot,
        probe=receiving_bot,
        upstream=(49634, 59310, 70620, 65939),
        leaked_until="0.19",
    ),
    Row(
        key="S3",
        what="one person's chats with two bots: the sibling profile answers",
        probe=own_bot,
        upstream=(49634, 17068, 74285, 89860),
        unseen="the keys of conversations have held the profile since 0.19",
        absent=dict.fromkeys((LOCAL, SANDBOX), ONE_BOT),
    ),
    Row(
        key="R4",
        what="a route to `default`: the turn runs in the home of another profile",
        plant=plant_explicit,
        probe=route_to_default,
        upstream=(79113,),
        leaked_until="0.19",
    ),
    Row(
        key="A5s",
        what="`/restart` in a profile's place, by somebody who is no admin of the gateway",
        plant=plant_admin,
        probe=restart_by_anybody,
        upstream=(119971,),
        unseen="Hermes too asks the gateway's own list",
    ),
)
