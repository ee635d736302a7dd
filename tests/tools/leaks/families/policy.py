"""Policy and prompts: what is allowed, said and configured, from another profile's settings."""

from __future__ import annotations

from tests.kit import USER
from tests.tools.leaks.row import LOCAL, SANDBOX, Row
from tests.tools.leaks.side import Side, found
from tests.tools.leaks.world import BOB, CAROL, DEFAULT, GROUP, WITH_SKILL, World

STRANGER = 7700009
BOT = "@kit_1234567_bot"


def plant_allowlist(world: World) -> None:
    world.root.configure({"command_allowlist": ["recursive delete"]})
    world[CAROL].configure({"approvals": {"mode": "manual"}})


def command_allowlist(side: Side) -> str:
    """Have a profile that asks first delete a folder."""
    folder = side.world[CAROL].path / "workspace" / "to-be-kept"
    side.run(CAROL, f"mkdir -p {folder}")
    seq, mark = side.telegram.seq, side.mark()
    tool = f'[[tool terminal {{"command": "rm -rf {folder}"}}]]'
    topic = side.say(CAROL, f"{tool} [[say done {mark}]]")

    def prompts() -> list[int]:
        calls = side.telegram.calls(after=seq)
        return [c.message_id for c in calls if c.message_id and "ea:deny" in str(c.params)]

    def ended() -> bool:
        return any(f"done {mark}" in m.text for m in side.telegram.transcript(thread_id=topic))

    if not side.wait(lambda: not folder.exists() or prompts() or ended(), 60):
        side.unsure("neither a question nor an end")
    for number in prompts()[:1]:
        side.telegram.click(number, "Deny")
    return "" if folder.exists() else "the command runs unasked"


def approval_elsewhere(side: Side) -> str:
    """Approve a command of carol's from bob's place."""
    folder = side.world[CAROL].path / "workspace" / "open-to-all"
    side.run(CAROL, f"mkdir -m 700 -p {folder}")
    mark, seq = side.mark(), side.telegram.seq
    tool = f'[[tool terminal {{"command": "chmod 777 {folder}"}}]]'
    topic = side.say(CAROL, f"{tool} [[say done {mark}]]")

    def opened() -> bool:
        return bool(folder.stat().st_mode & 0o002)

    def ended() -> bool:
        return any(f"done {mark}" in m.text for m in side.telegram.transcript(thread_id=topic))

    def asked() -> list[int]:
        calls = side.telegram.calls(after=seq)
        return [c.message_id for c in calls if c.message_id and "ea:deny" in str(c.params)]

    if not side.wait(lambda: opened() or ended() or asked(), 60):
        side.unsure("neither a question nor an end")
    if opened():
        return "the launch profile's approvals: the command runs unasked"
    side.ask(BOB, "/approve")
    approved = side.wait(opened, 3)
    for number in asked()[:1]:
        side.telegram.click(number, "Deny")
    return "what is said in bob's place approves it" if approved else ""


def plant_redaction(world: World) -> None:
    world.root.configure({"security": {"redact_secrets": False}})


def redaction(side: Side) -> str:
    secret = "sk-proj-" + "a1B2c3D4e5F6g7H8i9J0" * 2
    shown = side.run(BOB, f"printf 'key is %s%s\\n' sk-proj- {secret.removeprefix('sk-proj-')}")
    return "a secret reaches the model unredacted" if f"key is {secret}" in shown else ""


def plant_prompt(world: World) -> None:
    world.root.configure({"agent": {"system_prompt": "system-prompt-of-default"}})


def system_prompt(side: Side) -> str:
    return found(side.turn(BOB, "hello").body.decode(), "system-prompt-of-default")


def profile_name(side: Side) -> str:
    system = side.turn(BOB, "hello").system
    name = system.partition("Active Hermes profile: ")[2].split(".")[0]
    return "" if name == BOB else f"the prompt says {name or 'nothing'}"


def plant_zone(world: World) -> None:
    world.root.configure({"timezone": "Antarctica/Troll"})
    world[BOB].configure({"timezone": "Asia/Tokyo"})


def time_zone(side: Side) -> str:
    shown = side.inside(BOB, "import hermes_time; result = hermes_time.get_timezone()")
    return "" if "Tokyo" in shown else f"bob's clock is {shown}"


def plant_footer(world: World) -> None:
    footer = {"enabled": True, "fields": ["model"]}
    world.root.configure({"display": {"runtime_footer": footer}})


def display(side: Side) -> str:
    """Look for the footer that the launch profile has under its answers."""
    mark = side.mark()
    own = side.ask(DEFAULT, f"[[say footer {mark}]]", contains=f"footer {mark}").text
    if "kit-model" not in own:
        side.unsure(f"the launch profile has no footer: {own!r}")
    said = side.ask(BOB, f"[[say footer {mark}]]", contains=f"footer {mark}").text
    return "the launch profile's footer" if "model-of" in said or "kit-model" in said else ""


def plant_fallback(world: World) -> None:
    fallback = {
        "provider": "custom",
        "model": "fallback-of-default",
        "base_url": world.root.model.base_url,
        "api_key": "fallback-key-of-default",
    }
    world.root.configure({"fallback_model": fallback})


def fallback_model(side: Side) -> str:
    """Let bob's model refuse: he has no fall-back."""
    mark, seen = side.mark(), side.model.seq
    side.ask(BOB, f"refused {mark} [[error 404]]")  # the answer says what went wrong
    if not _asked(side, seen, mark):
        side.unsure("the model was not asked")
    side.wait(lambda: "fallback-of-default" in _models(side, seen), 15)
    return found(" ".join(_models(side, seen)), "fallback-of-default")


def _asked(side: Side, seen: int, mark: str) -> bool:
    return any(mark in r.last_user for r in side.model.requests("chat", after=seen))


def _models(side: Side, seen: int) -> list[str]:
    return [request.model for request in side.model.requests("chat", after=seen)]


def plant_strangers(world: World) -> None:
    world.root.env({"TELEGRAM_ALLOWED_USERS": f"{USER},{STRANGER}"})
    world[CAROL].env({"TELEGRAM_ALLOWED_USERS": str(USER)})


def allowed_users(side: Side) -> str:
    """Let somebody write whom the gateway's list allows and the profile's own does not."""
    mark, seen = side.mark(), side.model.seq
    side.say(CAROL, f"from a stranger {mark}", user_id=STRANGER)
    answered = side.wait(lambda: _asked(side, seen, mark), 30)
    return "who may use the bot may use the profile" if answered else ""


def plant_group(world: World) -> None:
    extra = {
        "require_mention": True,
        "observe_unmentioned_group_messages": True,
        "group_allowed_chats": [str(GROUP), str(world.forum)],
        "free_response_chats": [str(world.forum)],
        "channel_prompts": {str(GROUP): "channel-prompt-of-default"},
    }
    world.root.configure({"platforms": {"telegram": {"extra": extra}}})
    world.root.env({"TELEGRAM_GROUP_ALLOWED_CHATS": f"{GROUP},{world.forum}"})


def overheard(side: Side) -> str:
    """Say something to nobody in a group that is routed to bob, then address the bot."""
    mark, seen = side.mark(), side.model.seq
    side.telegram.say(f"overheard-{mark}", chat_id=GROUP)
    side.telegram.say(f"{BOT} what was that? [[say done {mark}]]", chat_id=GROUP)
    request = side.model.wait_chat("what was that?", timeout=150, after=seen, done=True)
    side.telegram.wait_reply(GROUP, None, contains=f"done {mark}", timeout=150)
    wrong = []
    if f"overheard-{mark}" not in request.body.decode():
        wrong.append("bob does not get it")
    if side.messages_in(DEFAULT, f"overheard-{mark}"):
        wrong.append("it is in the launch profile's state.db")
    return ", ".join(wrong)


def plant_auto_skill(world: World) -> None:
    topic = {"name": "Skilled", "thread_id": WITH_SKILL, "skill": f"sk-{DEFAULT}"}
    extra = {"group_topics": [{"chat_id": world.forum, "topics": [topic]}]}
    world.root.configure({"platforms": {"telegram": {"extra": extra}}})


def auto_skill(side: Side) -> str:
    body = side.turn(BOB, "hello", WITH_SKILL).body.decode()
    return found(body, f"skill-of-{DEFAULT}")


def channel_prompt(side: Side) -> str:
    mark, seen = side.mark(), side.model.seq
    side.telegram.say(f"{BOT} hello [[say done {mark}]]", chat_id=GROUP)
    request = side.model.wait_chat(mark, timeout=150, after=seen, done=True)
    side.telegram.wait_reply(GROUP, None, contains=f"done {mark}", timeout=150)
    return found(request.body.decode(), "channel-prompt-of-default")


BY_GATEWAY = "who may write is the gateway's to say: its lists, and its routes"

ROWS = (
    Row(
        key="C1",
        what="commands that the launch profile approved beforehand",
        plant=plant_allowlist,
        probe=command_allowlist,
        upstream=(108708,),
        leaked_until="0.19",
    ),
    Row(
        key="C1a",
        what="a dangerous command is approved by another profile's settings, or from its place",
        probe=approval_elsewhere,
        upstream=(108708,),
        unseen="its own place is asked, and no other; 0.19 refuses such commands there",
    ),
    Row(
        key="C2",
        what="the launch profile's redaction of secrets",
        plant=plant_redaction,
        probe=redaction,
        upstream=(108708,),
        leaked_until="0.19",
    ),
    Row(
        key="C3",
        what="the launch profile's own system prompt (personality)",
        plant=plant_prompt,
        probe=system_prompt,
        upstream=(108708,),
        leaked_until="0.19",
    ),
    Row(
        key="C4",
        what="the prompt names another profile as the active one",
        probe=profile_name,
        upstream=(76065,),
        unseen="Hermes builds a turn's prompt in the turn's own context",
    ),
    Row(
        key="C5",
        what="the launch profile's time zone",
        plant=plant_zone,
        probe=time_zone,
        upstream=(108708,),
        leaked_until="0.19",
    ),
    Row(
        key="C6",
        what="the launch profile's display settings",
        plant=plant_footer,
        probe=display,
        upstream=(58395, 92722, 108453),
        leaked_until="0.19",
    ),
    Row(
        key="C6f",
        what="the launch profile's fall-back model, with its key",
        plant=plant_fallback,
        probe=fallback_model,
        upstream=(58395,),
        leaked_until="0.19",
    ),
    Row(
        key="C8",
        what="a sender whom the profile's own list does not allow",
        plant=plant_strangers,
        probe=allowed_users,
        upstream=(59330, 61985, 75970, 80026),
        by_design={LOCAL: BY_GATEWAY, SANDBOX: BY_GATEWAY},
    ),
    Row(
        key="X1",
        what="what is overheard in a routed group goes to the launch profile",
        plant=plant_group,
        probe=overheard,
        leaked_until="0.19",
    ),
    Row(
        key="X2",
        what="the launch profile's channel prompt in a routed group",
        probe=channel_prompt,
    ),
    Row(
        key="X2s",
        what="the launch profile's skill for a routed topic (auto-skill)",
        plant=plant_auto_skill,
        probe=auto_skill,
        leaked_until="0.19",
    ),
)
