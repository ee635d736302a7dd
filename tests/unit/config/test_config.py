"""Configuration files: what is accepted, what is refused and where, and what comes out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import msgspec
import pytest

from hermes_router.base.errors import ConfigError, Problem
from hermes_router.config.model import RouterConfig, load
from hermes_router.config.settings import Settings, describe_settings, is_platform_credential
from hermes_router.routing.table import Place

CONFIGS = Path(__file__).parents[3] / "configs"
FORUM = "-1003961179976"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(text: str, name: str = "config.yaml") -> Path:
        path = tmp_path / name
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return put


def problems(path: Path) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return list(caught.value.problems)


def only_problem(path: Path) -> Problem:
    [problem] = problems(path)
    return problem


def answer(config: RouterConfig, platform: str, *ids: Any) -> str | None:
    match = config.table.match(Place(platform, *ids))
    return match.profile if match else None


def test_a_missing_file_is_an_empty_table(tmp_path: Path) -> None:
    config = load(tmp_path / "config.yaml")
    assert len(config.table) == 0
    assert config.decide(Place("telegram", "1")).action == "in_process"
    assert config.defaults == Settings()
    assert config.files == (tmp_path / "config.yaml",)


@pytest.mark.parametrize("text", ["", "# nothing\n", "model: {default: x}\n", "gateway:\n", "{}"])
def test_a_file_without_routes_is_an_empty_table(write: Write, text: str) -> None:
    assert len(load(write(text)).table) == 0


def test_routes_of_every_shape_make_one_table(write: Write) -> None:
    config = load(
        write("""
            gateway:
              profile_routes:
                telegram:
                  "-1003961179976": {"6": career, "*": rest}
                  "-100200": team
                  default: others
                slack: office
              signal:
                topic_profiles: {"group:abc=:*": club}
            profile_routes:
              - {platform: telegram, chat_id: "-1003961179976", thread_id: "7", profile: finance}
              - {platform: telegram, user_id: "42", chat_id: "-100200", profile: boss}
            telegram:
              topic_profiles: {"-1003961179976:8": health}
            platforms:
              matrix:
                extra:
                  topic_profiles: {"!room:example.org:$event": thread, "!room:example.org": room}
            """)
    )
    assert answer(config, "telegram", FORUM, "6") == "career"
    assert answer(config, "telegram", FORUM, "7") == "finance"
    assert answer(config, "telegram", FORUM, "8") == "health"
    assert answer(config, "telegram", FORUM, "9") == "rest"
    assert answer(config, "telegram", "-100200") == "team"
    assert answer(config, "telegram", "-100200", None, "42") == "boss"
    assert answer(config, "telegram", "5") == "others"
    assert answer(config, "slack", "C1", "2.3") == "office"
    assert answer(config, "signal", "group:abc=") == "club"
    assert answer(config, "matrix", "!room:example.org", "$event") == "thread"
    assert answer(config, "matrix", "!room:example.org", "$other") == "room"
    assert len(config.table) == 11


def test_topics_may_stand_inside_the_nested_form_too(write: Write) -> None:
    config = load(
        write("""
            profile_routes:
              telegram:
                -1003961179976:6: career
                topic_profiles: {-1003961179976:7: finance}
            """)
    )
    assert answer(config, "telegram", FORUM, "6") == "career"
    assert answer(config, "telegram", FORUM, "7") == "finance"


def test_a_nested_route_may_say_more_than_its_profile(write: Write) -> None:
    config = load(
        write("""
            profile_routes:
              telegram:
                "-1": {profile: kid, name: the child, user_id: 7}
                "-2": {"3": {profile: away, enabled: false}, default: on-call}
              discord:
                "4": {profile: x, guild_id: 9}
            """)
    )
    assert answer(config, "telegram", "-1", None, "7") == "kid"
    assert answer(config, "telegram", "-1", None, "8") is None
    assert answer(config, "telegram", "-2", "3") == "on-call"
    assert {route.name for route in config.table.routes} == {"the child", ""}
    assert answer(config, "discord", "4") is None
    assert answer(config, "discord", "4", None, None, "9") == "x"


def test_what_people_write_is_coerced_to_what_messages_carry(write: Write) -> None:
    config = load(
        write("""
            profile_routes:
              - {platform: " Telegram ", chat_id: -1003961179976, thread_id: 6, profile: Career}
              - {platform: signal, chat_id: +491701234567, profile: 007}
              - {platform: irc, chat_id: 0123, profile: x}
              - {platform: telegram, chat_id: " -5 ", profile: y, name: 2024-01-02}
              - {platform: discord, scope_id: 5, profile: z}
            """)
    )
    assert answer(config, "telegram", FORUM, "6") == "career"
    assert answer(config, "signal", "+491701234567") == "007"
    assert answer(config, "irc", "0123") == "x"
    assert answer(config, "telegram", "-5") == "y"
    assert answer(config, "discord", None, None, None, "5") == "z"
    assert "2024-01-02" in {route.name for route in config.table.routes}


@pytest.mark.parametrize(
    ("entry", "code", "told"),
    [
        ("{platform: telegram, chatid: 5, profile: x}", "unknown-key", "did you mean 'chat_id'?"),
        ("{platform: telegram, Chat_id: 5, profile: x}", "unknown-key", "did you mean 'chat_id'?"),
        ("{chat_id: 5, profile: x}", "missing-key", "no platform"),
        ("{platform: telegram, chat_id: 5}", "missing-key", "no profile"),
        ("{platform: telegram, profile: x, enabled: 'false'}", "type", "without quotes"),
        ("{platform: telegram, profile: x, enabled: 0}", "type", "true or false"),
        ("{platform: telegram, profile: ../x}", "profile-name", "'../x'"),
        ("{platform: telegram, profile: root}", "profile-name", "reserved"),
        ("{platform: telegram, profile: on}", "profile-name", 'quote it: "on"'),
        ("{platform: telegram, profile: }", "profile-name", "nothing"),
        ("{platform: telegram, profile: [x]}", "profile-name", "a list"),
        ("{platform: , profile: x}", "platform", "nothing"),
        ("{platform: 5, profile: x}", "platform", "number 5"),
        ("{platform: telegram, chat_id: 5, chat_id: 6, profile: x}", "duplicate-key", "line 3"),
        ("{platform: telegram, chat_id: 1.5, profile: x}", "id", "the float 1.5"),
        ("{platform: telegram, chat_id: 1712345678.000100, profile: x}", "id", "quote it"),
        ("{platform: telegram, chat_id: 2024-01-02, profile: x}", "id", "the date"),
        ("{platform: telegram, chat_id: yes, profile: x}", "id", "the boolean yes"),
        ("{platform: telegram, chat_id: 1_000, profile: x}", "id", "write it without _: 1000"),
        ("{platform: telegram, chat_id: 0x1F, profile: x}", "id", 'quote it: "0x1F"'),
        ("{platform: telegram, chat_id: 12:30, profile: x}", "id", 'quote it: "12:30"'),
        ("{platform: telegram, chat_id: , profile: x}", "id", "is empty"),
        ("{platform: telegram, chat_id: '', profile: x}", "id", "is empty"),
        ("{platform: telegram, chat_id: [1], profile: x}", "id", "a list"),
        ('{platform: telegram, chat_id: "a\\0b", profile: x}', "id", "control character"),
        ("{platform: telegram, thread_id: general, profile: x}", "missing-key", "needs a chat"),
        (
            "{platform: discord, guild_id: 1, scope_id: 1, profile: x}",
            "duplicate-key",
            "mean the same",
        ),
        ("career", "type", "must be a mapping"),
    ],
)
def test_a_mistake_in_a_route_is_an_error_at_its_place(
    write: Write, entry: str, code: str, told: str
) -> None:
    path = write(f"gateway:\n  profile_routes:\n    - {entry}\n")
    problem = only_problem(path)
    assert problem.code == code
    assert told in str(problem)
    assert problem.where.startswith(f"{path}:3:")
    assert problem.path.startswith("gateway.profile_routes[0]")


def test_a_route_with_a_broken_id_does_not_count_as_a_wider_one(write: Write) -> None:
    path = write("""
        profile_routes:
          - {platform: telegram, chat_id: 1.5, profile: x}
          - {platform: telegram, chatid: 1, profile: x}
          - {platform: telegram, profile: y}
        """)
    assert [problem.code for problem in problems(path)] == ["id", "unknown-key"]


def test_the_column_is_that_of_the_wrong_value(write: Write) -> None:
    text = "profile_routes:\n  - platform: telegram\n    chat_id: 1.5\n    profile: x\n"
    problem = only_problem(write(text))
    assert (problem.line, problem.column) == (3, 14)
    assert problem.path == "profile_routes[0].chat_id"


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [
        ("telegram: {'-1': {'2': [x]}}", "profile-name", "a list"),
        ("telegram: {'-1': }", "profile-name", "nothing"),
        ("telegram: {'-1': {}}", "missing-key", "no profile"),
        ("telegram: {1.5: x}", "id", "the float 1.5"),
        ("telegram: {'-1': {2024-01-02: x}}", "id", "the date"),
        ("telegram: {'-1': a, '-1': b}", "duplicate-key", "line 2"),
        ("telegram: {'-1': a, -1: a}", "duplicate-key", "line 2"),
        ("telegram: {'-1': {profile: x, nme: y}}", "unknown-key", "did you mean 'name'?"),
        ("telegram: {profile: x, '-1': y}", "unknown-key", "'-1'"),
        ("telegram: {'-1': {profil: x}}", "unknown-key", "did you mean 'profile'?"),
        ("telegram: {'1': {'2': x, defualt: y}}", "unknown-key", "did you mean 'default'?"),
        ("telegram: {'-1': {genral: x}}", "unknown-key", "did you mean 'general'?"),
        ("telegram: {topic_profile: {'-1:2': x}}", "unknown-key", "'topic_profiles'"),
        ("telegram: {'@family': x}", "unreachable", "its ids are numbers"),
        ("telegram: {'1': {week: x}}", "unreachable", "thread_id"),
        ("telegram: {'-1': {profile: x, user_id: ann}}", "unreachable", "user_id"),
        ("telegram: {'-1': {profile: x, guild_id: 7}}", "unreachable", "no guilds"),
        ("discord: {general: x}", "unreachable", "chat_id"),
        ("api_server: {a: x}", "unreachable", "by the gateway's own profile"),
        ("telegram: [x]", "type", "a list"),
        ("telegram: {'-1:2': {'3': x, profile: y}}", "unknown-key", "'3'"),
        ("'*': x", "platform", "hermes_router.unmatched"),
        ("telegram: {'-1': {'*': a, default: b}}", "conflict", "-> a"),
        ("telegram: {'-1': {'*': a, default: a}}", "shadowed", "never reached"),
        ("telegram: {topic_profiles: {'group:x': a}}", "id", "ambiguous"),
        ("telegram: {topic_profiles: {'-1:': a}}", "id", "both sides"),
        ("telegram: {topic_profiles: [a]}", "type", "a list"),
        ("career", "type", "a mapping by platform"),
    ],
)
def test_a_mistake_in_the_nested_form_is_an_error_at_its_place(
    write: Write, body: str, code: str, told: str
) -> None:
    indented = f"{{{body}}}" if ":" in body else body
    problem = only_problem(write(f"gateway:\n  profile_routes: {indented}\n"))
    assert problem.code == code
    assert told in str(problem)
    assert problem.line == 2


def test_names_that_are_ids_elsewhere_and_disabled_routes_are_left_alone(write: Write) -> None:
    config = load(
        write("""
            profile_routes:
              irc: {nickname: a, "#profile": b, general: c}
              slack: {C1: {general: d}}
              telegram: {"@later": {profile: e, enabled: false}}
            """)
    )
    assert len(config.table) == 5


def test_routes_that_meet_across_places_of_the_file_name_each_other(write: Write) -> None:
    path = write("""\
        gateway:
          profile_routes: {telegram: {"1": {"2": a}}}
        profile_routes:
          - {platform: telegram, chat_id: 1, thread_id: 2, profile: b}
        """)
    problem = only_problem(path)
    assert problem.code == "conflict"
    assert problem.line == 4
    assert "-> b" in problem.message
    assert f"-> a (gateway.profile_routes.telegram.1.2 at {path}:2:" in problem.message


def test_everything_that_is_wrong_is_reported_at_once_in_the_order_of_the_file(
    write: Write,
) -> None:
    found = problems(
        write("""\
            gateway:
              profile_routes:
                - {platform: telegram, chat_id: 1.5, profile: x}
                - {platform: telegram, profil: x}
            profile_routes: {telegram: {"-1": ../y}}
            hermes_router:
              unmatched: ../z
              defaults: {timeouts: {turn: soon, start: 0}}
            """)
    )
    assert [problem.line for problem in found] == [3, 4, 4, 5, 7, 8, 8]
    with pytest.raises(ConfigError, match="the configuration has 7 errors"):
        load(Path(found[0].file))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("profile_route: []\n", "'profile_routes'"),
        ("hermes-router: {}\n", "'hermes_router'"),
        ("gateway: {profile_rotues: []}\n", "'profile_routes'"),
        ("gateway: {hermes_router: {}}\n", "top level"),
        ("telegram: {topic_profile: {}}\n", "'topic_profiles'"),
        ("gateway: {}\ngateway: {}\n", "already on line 1"),
        ("[1]\n", "must be a mapping"),
    ],
)
def test_what_was_surely_meant_for_the_router_is_not_ignored(
    write: Write, text: str, told: str
) -> None:
    assert told in str(only_problem(write(text)))


def test_the_rest_of_the_file_is_not_judged(write: Write) -> None:
    config = load(
        write("""
            model: {default: a, default: b}
            terminal: [1, 2]
            telegram: {tool_profiles: {x: y}}
            platforms: {telegram: {enabled: true, enabled: false, extra: {a: 1}}}
            gateway: {multiplex_profiles: true, platforms: {irc: }}
            """)
    )
    assert len(config.table) == 0


@pytest.mark.parametrize(
    ("data", "line", "told"),
    [
        (b"a: b\nc: [1, 2\n", 2, "not valid YAML"),
        (b"a: b\n\tc: d\n", 2, "not valid YAML"),
        (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
        (b"a: 1\nb: \x00\n", 2, "not valid YAML"),
        (b"a: 1\n---\nb: 1\n", 2, "more than one"),
        (b"a: 1\nb: *c\n", 2, "*c"),
    ],
)
def test_a_file_that_is_no_yaml_is_an_error_at_its_place(
    tmp_path: Path, data: bytes, line: int, told: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(data)
    problem = only_problem(path)
    assert problem.line == line
    assert told in problem.message


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    assert "not a regular file" in only_problem(tmp_path).message


def test_anchors_and_merge_keys_work_in_routes(write: Write) -> None:
    config = load(
        write("""
            profile_routes:
              - &base {platform: telegram, profile: a, chat_id: -1}
              - {<<: *base, chat_id: -2}
              - {<<: [{profile: b}, *base], thread_id: 3}
            """)
    )
    assert answer(config, "telegram", "-2") == "a"
    assert answer(config, "telegram", "-1", "3") == "b"


def test_a_platform_that_this_hermes_does_not_know_is_reported_but_not_fatal(write: Write) -> None:
    path = write("profile_routes:\n  - {platform: telegrm, chat_id: 1, profile: a}\n")
    config = load(path, known_platforms=["telegram", "irc"])
    [problem] = config.problems
    assert (problem.severity, problem.code) == ("unusable", "unknown-platform")
    assert "did you mean 'telegram'?" in problem.hint
    assert (problem.line, problem.column) == (2, 16)
    assert answer(config, "telegrm", "1") == "a"


def test_a_profile_that_does_not_exist_is_reported_once_and_its_routes_stay(write: Write) -> None:
    path = write("""
        profile_routes: {telegram: {"-1": carer, "-2": carer, "-3": default, "-4": own}}
        hermes_router: {unmatched: {irc: nobody}}
        """)
    config = load(
        path,
        gateway_profile="own",
        profile_exists=lambda _name: False,
        profile_names=lambda: ["career"],
    )
    assert [(p.severity, p.code, p.line) for p in config.problems] == [
        ("unusable", "missing-profile", 2),
        ("unusable", "missing-profile", 3),
    ]
    assert "'carer'" in config.problems[0].message
    assert "did you mean 'career'?" in config.problems[0].hint
    assert config.decide(Place("telegram", "-1")).profile == "carer"


@pytest.mark.parametrize(
    ("gateway_profile", "chat", "action", "profile"),
    [
        ("default", "-1", "in_process", "default"),
        ("default", "-2", "worker", "ops"),
        ("ops", "-1", "worker", "default"),
        ("ops", "-2", "in_process", "ops"),
        ("ops", "-9", "worker", "rest"),
    ],
)
def test_a_route_to_the_gateways_own_profile_is_a_carve_out(
    write: Write, gateway_profile: str, chat: str, action: str, profile: str
) -> None:
    path = write("profile_routes: {telegram: {'-1': Default, '-2': ops, '*': rest}}")
    decision = load(path, gateway_profile=gateway_profile).decide(Place("telegram", chat))
    assert (decision.action, decision.profile) == (action, profile)
    assert decision.match is not None


@pytest.mark.parametrize(
    ("unmatched", "telegram", "irc"),
    [
        ("default", ("in_process", None), ("in_process", None)),
        ("deny", ("deny", None), ("deny", None)),
        ("Lobby", ("worker", "lobby"), ("worker", "lobby")),
        ("{telegram: deny}", ("deny", None), ("in_process", None)),
        ("{default: deny, IRC: lobby}", ("deny", None), ("worker", "lobby")),
        ("{default: own}", ("in_process", "own"), ("in_process", "own")),
    ],
)
def test_messages_without_a_route_follow_the_policy(
    write: Write, unmatched: str, telegram: tuple[str, str], irc: tuple[str, str]
) -> None:
    config = load(write(f"hermes_router: {{unmatched: {unmatched}}}"), gateway_profile="own")
    for platform, expected in (("telegram", telegram), ("irc", irc)):
        decision = config.decide(Place(platform, "1"))
        assert (decision.action, decision.profile) == expected
        assert decision.match is None


def test_settings_of_a_profile_stand_on_the_defaults_wherever_those_stand(write: Write) -> None:
    config = load(
        write("""
            profile_routes: {telegram: {"-1": career}}
            hermes_router:
              profiles:
                Career: {timeouts: {turn: 90}, env: {pass: [B]}, share: [auth]}
              defaults:
                timeouts: {start: 5, turn: 30.5}
                env: {pass: [A]}
                limits: {queue: 0}
            """)
    )
    career, other = config.settings("career"), config.settings("other")
    assert (career.timeouts.start, career.timeouts.turn) == (5, 90)
    assert (other.timeouts.start, other.timeouts.turn) == (5, 30.5)
    assert (career.env.names, other.env.names) == (("B",), ("A",))
    assert (career.share, other.share) == (("auth",), ())
    assert career.limits.queue == other.limits.queue == 0
    assert config.problems == ()


@pytest.mark.parametrize(
    ("block", "line", "told"),
    [
        ("unmatchd: deny", 2, "did you mean 'unmatched'?"),
        ("missing_profile: default", 2, "allowed: notice"),
        ("routes_file: nope.yaml", 2, "there is no file"),
        ("routes_file: [a]", 2, "must be a path"),
        ("routes_file: .", 2, "not a regular file"),
        ("defaults: {timeout: {}}", 2, "did you mean 'timeouts'?"),
        ("defaults: {timeouts: 5}", 2, "must be a mapping"),
        ("defaults: {timeouts: {strat: 5}}", 2, "did you mean 'start'?"),
        ("defaults: {timeouts: {start: 0}}", 2, "a number > 0"),
        ("defaults: {timeouts: {start: .inf}}", 2, "a number"),
        ("defaults: {timeouts: {start: true}}", 2, "a number"),
        ("defaults: {timeouts: {start: '5'}}", 2, "a number, got text"),
        ("defaults: {timeouts: {start: }}", 2, "a number"),
        ("defaults: {limits: {queue: -1}}", 2, "a whole number >= 0"),
        ("defaults: {limits: {queue: 1.5}}", 2, "a whole number"),
        ("defaults: {limits: {concurrent_turns: 0}}", 2, "a whole number >= 1"),
        ("defaults: {launcher: lokal}", 2, "allowed: local"),
        ("defaults: {share: [auht]}", 2, "'auht'"),
        ("defaults: {share: auth}", 2, "a list"),
        ("defaults: {deliver: all}", 2, "defaults.deliver"),
        ("defaults: {deliver: [nowhere]}", 2, "a target like"),
        ("defaults: {env: {pass: [1X]}}", 2, "environment variable"),
        ("defaults: {env: {pass: ['A\\n']}}", 2, "environment variable"),
        ("defaults: {env: {pass: [TELEGRAM_BOT_TOKEN]}}", 2, "env.force"),
        ("defaults: {log: {max_bytes: 1}}", 2, "4096"),
        ("profiles: {../x: {}}", 2, "'../x'"),
        ("profiles: {a: {}, A: {}}", 2, "another spelling"),
        ("profiles: [a]", 2, "must be a mapping"),
    ],
)
def test_a_mistake_in_a_setting_is_an_error_at_its_place(
    write: Write, block: str, line: int, told: str
) -> None:
    found = [p for p in problems(write(f"hermes_router:\n  {block}\n")) if p.severity == "error"]
    [problem] = found
    assert problem.line == line
    assert told in str(problem)
    assert problem.path.startswith("hermes_router")


def test_every_wrong_item_of_a_list_is_reported_at_its_own_place(write: Write) -> None:
    found = problems(write("hermes_router: {defaults: {env: {pass: [OK, 1X, FINE, 2Y]}}}\n"))
    assert [problem.column for problem in found] == [45, 55]


def test_a_forced_credential_passes_and_a_profile_does_not_repeat_its_defaults_error(
    write: Write,
) -> None:
    path = write("""
        profile_routes: {telegram: {"-1": a}}
        hermes_router:
          defaults: {env: {pass: [HASS_TOKEN]}}
          profiles: {a: {env: {force: [MATRIX_PASSWORD]}}}
        """)
    assert "HASS_TOKEN" in only_problem(path).message
    path.write_text(path.read_text().replace("{pass: [HASS_TOKEN]}", "{force: [HASS_TOKEN]}"))
    config = load(path)
    assert config.defaults.env.names == ("HASS_TOKEN",)
    assert config.settings("a").env.names == ("MATRIX_PASSWORD",)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("TELEGRAM_BOT_TOKEN", True),
        ("DISCORD_BOT_TOKEN", True),
        ("MY_OWN_BOT_TOKEN", True),
        ("SLACK_APP_TOKEN", True),
        ("MATRIX_ACCESS_TOKEN", True),
        ("FEISHU_APP_SECRET", True),
        ("EMAIL_PASSWORD", True),
        ("TWILIO_AUTH_TOKEN", True),
        ("OPENAI_API_KEY", False),
        ("GITHUB_TOKEN", False),
        ("TELEGRAM_TEXT_BATCH_DELAY", False),
        ("SSH_AUTH_SOCK", False),
    ],
)
def test_platform_credentials_are_told_from_other_secrets(name: str, expected: bool) -> None:
    assert is_platform_credential(name) is expected


def test_settings_of_a_profile_without_a_route_are_worth_a_warning(write: Write) -> None:
    config = load(
        write("""
            profile_routes: {telegram: {"-1": career}}
            hermes_router: {profiles: {carer: {limits: {queue: 1}}}}
            """)
    )
    [problem] = config.problems
    assert (problem.severity, problem.code, problem.line) == ("warning", "unused-settings", 3)
    assert "did you mean 'career'?" in problem.hint


@pytest.mark.parametrize(
    "text",
    [
        "- {platform: telegram, chat_id: -1, profile: a}\n",
        "telegram: {'-1': a}\n",
        "profile_routes: {telegram: {'-1': a}}\n",
        "profile_routes:\n- {platform: telegram, chat_id: -1, profile: a}\n",
        "telegram: {topic_profiles: {'-1:*': a}}\n",
    ],
)
def test_a_routes_file_holds_what_profile_routes_holds(write: Write, text: str) -> None:
    (write("hermes_router: {routes_file: more/routes.yaml}").parent / "more").mkdir()
    routes = write(text, "more/routes.yaml")
    config = load(routes.parents[1] / "config.yaml")
    assert answer(config, "telegram", "-1") == "a"
    assert config.routes_file == routes
    assert config.files == (config.path, routes)
    assert config.table.routes[0].file == str(routes)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("", 1, "empty"),
        ("- {platform: telegram, chat_id: 1.5, profile: a}\n", 1, "the float"),
        ("profile_routes: []\nother: 1\n", 2, "unknown key 'other'"),
        ("telegram: {'-1': \n", 1, "is not closed"),
    ],
)
def test_a_mistake_in_the_routes_file_is_located_there(
    write: Write, text: str, line: int, told: str
) -> None:
    routes = write(text, "routes.yaml")
    path = write("hermes_router: {routes_file: routes.yaml}")
    with pytest.raises(ConfigError) as caught:
        load(path)
    [problem] = caught.value.problems
    assert (problem.file, problem.line) == (str(routes), line)
    assert told in problem.message
    assert caught.value.files == (str(path), str(routes))


def test_ten_thousand_located_routes_load_within_three_seconds(tmp_path: Path) -> None:
    entry = "- {{name: r{0}, platform: telegram, chat_id: -100{0}, thread_id: 6, profile: p}}\n"
    path = tmp_path / "config.yaml"
    path.write_text("profile_routes:\n" + "".join(entry.format(number) for number in range(10_000)))
    start = time.process_time()
    config = load(path, known_platforms={"telegram"}, profile_exists=lambda _name: True)
    assert time.process_time() - start < 3
    assert config.table.routes[-1].line == 10_001


def test_the_example_shows_every_setting_with_its_default() -> None:
    config = load(CONFIGS / "example.yaml")
    assert config.problems == ()
    shown = msgspec.structs.replace(config.defaults, env=Settings().env)
    assert shown == Settings()
    text = (CONFIGS / "example.yaml").read_text(encoding="utf-8")
    for path, _, _ in describe_settings():
        assert f"{path.rpartition('.')[2]}:" in text, path


def test_the_example_routes_as_its_comments_say() -> None:
    config = load(CONFIGS / "example.yaml")
    assert answer(config, "telegram", FORUM, "6") == "career"
    assert answer(config, "telegram", FORUM, "1") == "assistant"
    assert answer(config, "telegram", "-1003333333333", "12") is None
    assert answer(config, "matrix", "!abcdefgh:example.org", "$thread-event") == "career"
    server = "333333333333333333"
    finance = "444444444444444444"
    assert answer(config, "discord", finance, None, "1", server) == "finance"
    assert answer(config, "discord", finance, None, "555555555555555555", server) == "audit"
    assert answer(config, "discord", "post", "post", "1", server, finance) == "finance"
    assert config.decide(Place("discord", "666666666666666666", guild_id=server)).action == (
        "in_process"
    )
    assert config.decide(Place("irc", "#x")).action == "deny"
    assert config.decide(Place("signal", "+1")).profile == "assistant"
    assert answer(config, "slack", "C0987654321", "1712345678.000100") == "research"


def test_the_family_routes_as_its_comments_say() -> None:
    config = load(CONFIGS / "family.yaml")
    forum, child = "-1001234567890", "700000003"
    assert answer(config, "telegram", forum, "1", "700000001") == "family"
    assert answer(config, "telegram", forum, "2", "700000001") == "school"
    assert answer(config, "telegram", forum, "2", child) == "kid"
    assert answer(config, "telegram", forum, "3", child) == "kid"
    assert answer(config, "telegram", forum, "1", child) == "family"
    assert answer(config, "telegram", child, None, child) == "kid"
    assert config.decide(Place("telegram", "-5")).action == "deny"
    assert config.problems == ()


def test_the_family_is_as_safe_as_the_security_page_asks_for() -> None:
    config = load(CONFIGS / "family.yaml")
    for name in config.worker_profiles():
        settings = config.settings(name)
        assert (settings.launcher, settings.share) == ("bubblewrap", ())
        assert settings.limits.memory_bytes
    assert config.settings("kid").limits.cpu_seconds


def test_every_setting_is_described() -> None:
    described = {path: text for path, _, text in describe_settings()}
    assert "env.pass" in described
    assert [path for path, text in described.items() if not text] == []
