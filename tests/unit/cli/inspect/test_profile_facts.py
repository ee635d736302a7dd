"""What is known of a routed profile without starting anything: its model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hermes_router.cli.inspect.profile import profile_facts
from hermes_router.cli.inspect.profile.profile_facts import ProfileFacts
from hermes_router.config.settings import Settings

REMOTE = "base_url: 'https://model.example.org/v1', api_key: k"
LOCAL = "base_url: 'http://127.0.0.1:1/v1', api_key: k"


def facts(tmp_path: Path, config: str, dotenv: str = "") -> ProfileFacts:
    home = tmp_path / "profiles" / "career"
    home.mkdir(parents=True)
    home.chmod(0o700)
    (home / "config.yaml").write_text(config)
    (home / ".env").write_text(dotenv)
    for name in ("config.yaml", ".env"):
        (home / name).chmod(0o600)
    return profile_facts.look_at("career", tmp_path, Settings())


@pytest.mark.parametrize(
    ("config", "severity", "words"),
    [
        ("model: {provider: anthropic, api_key: k}", "warning", "Hermes takes the first that"),
        ("model: {api_key: k}", "warning", "Hermes takes the first that"),
        (f"model: {{provider: custom, {LOCAL}}}", "warning", "ignores the model's name"),
        (f"model: {{provider: custom, {REMOTE}}}", "error", "no default for custom"),
        (f"model: {{provider: Ollama, {REMOTE}}}", "error", "refuses every turn"),
        ("model: {provider: azure-foundry, api_key: k}", "error", "no default for azure-foundry"),
    ],
)
def test_a_profile_without_a_model_is_unusable_where_hermes_has_no_default(
    tmp_path: Path, config: str, severity: str, words: str
) -> None:
    found = facts(tmp_path, config)
    (finding,) = found.findings
    assert (finding.check, finding.severity) == ("profile-model", severity)
    assert words in finding.what
    assert finding.mend == "hermes -p career model"
    assert found.usable is (severity == "warning")


@pytest.mark.parametrize("content", ["[]", '"x"', "7", "{", '{"providers": [1]}', "9" * 20, None])
@pytest.mark.parametrize("name", ["auth.json", "gateway.pid"])
def test_what_a_profile_writes_into_a_file_of_hermes_breaks_no_command(
    tmp_path: Path, name: str, content: str | None
) -> None:
    """Its tools may write there: no object, a number that no process has, a FIFO."""
    file = tmp_path / "profiles" / "career" / name
    file.parent.mkdir(parents=True)
    if content is None:
        os.mkfifo(file)
    else:
        file.write_text(content)
    (file.parent / "config.yaml").write_text(f"model: {{name: small, {REMOTE}}}")
    found = profile_facts.look_at("career", tmp_path, Settings())
    assert (found.usable, found.gateway) == (True, None)


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_home_that_is_a_link_is_not_closed_by_the_root(tmp_path: Path, mode: int) -> None:
    root, elsewhere = tmp_path / "hermes", tmp_path / "elsewhere"
    (root / "profiles").mkdir(parents=True)
    root.chmod(0o700)
    elsewhere.mkdir(mode=mode)
    elsewhere.chmod(mode)
    (elsewhere / "config.yaml").write_text(f"model: {{name: small, {REMOTE}}}")
    (root / "profiles" / "career").symlink_to(elsewhere)
    found = profile_facts.look_at("career", root, Settings()).findings
    assert [one.check for one in found] == (["profile-permissions"] if mode == 0o755 else [])


def test_the_bots_own_file_is_not_to_be_emptied(tmp_path: Path) -> None:
    """A profile whose .env is a link to the gateway's: to remove the token there ends the bot."""
    roots, own = tmp_path / ".env", tmp_path / "profiles" / "career" / ".env"
    roots.write_text("TELEGRAM_BOT_TOKEN=1:x\n")
    own.parent.mkdir(parents=True, mode=0o700)
    own.symlink_to("../../.env")
    (own.parent / "config.yaml").write_text(f"model: {{name: small, {REMOTE}}}")
    found = profile_facts.look_at("career", tmp_path, Settings()).findings
    (finding,) = [one for one in found if one.check == "platform-token"]
    assert finding.what == "its .env is the gateway's own, which contains TELEGRAM_BOT_TOKEN"
    assert f"rm {own}; cp {roots} {own}; then remove them" in finding.mend


def test_a_file_in_the_place_of_a_home_is_moved_aside_first(tmp_path: Path) -> None:
    """Hermes creates no profile where something stands already."""
    (tmp_path / "profiles").mkdir()
    file = tmp_path / "profiles" / "career"
    file.write_text("")
    (finding,) = profile_facts.look_at("career", tmp_path, Settings()).findings
    assert finding.mend == f"mv {file} {file}.left; hermes profile create career --clone"


@pytest.mark.parametrize("key", ["providers: {mine: {model: m}}", "custom_providers: [{name: m}]"])
def test_a_list_of_providers_may_name_the_model(tmp_path: Path, key: str) -> None:
    found = facts(tmp_path, f"model: {{provider: custom, {REMOTE}}}\n{key}\n")
    assert [finding.severity for finding in found.findings] == ["warning"]


@pytest.mark.parametrize(
    "config",
    [
        f"model: {{name: small, provider: custom, {REMOTE}}}",
        f"model: {{default: {{model: small, provider: custom}}, {REMOTE}}}",
    ],
)
def test_a_model_is_found_wherever_hermes_reads_its_name(tmp_path: Path, config: str) -> None:
    found = facts(tmp_path, config)
    assert (found.model, found.findings) == ("small", ())


def test_neither_model_nor_key_is_an_error(tmp_path: Path) -> None:
    found = facts(tmp_path, "{}\n")
    assert {f.check: f.severity for f in found.findings} == {
        "profile-model": "warning",
        "profile-key": "error",
    }
    assert not found.usable


SERVER = "base_url: 'https://model.example.org/v1'"
NAMED = "model: {default: m, provider: 'custom:My Server'}\n"


@pytest.mark.parametrize(
    "config",
    [
        f"model: {{default: m, provider: custom, {SERVER}, key_env: MY_SERVER}}",
        f"model: {{default: m, provider: vllm, {SERVER}, api_key: '${{MY_SERVER}}'}}",
        f"{NAMED}providers: {{my-server: {{{SERVER}, api_key_env: MY_SERVER}}}}",
        f"{NAMED}custom_providers: [{{name: My Server, {SERVER}, key_env: MY_SERVER}}]",
    ],
)
@pytest.mark.parametrize("dotenv", ["", "MY_SERVER=\n"])
def test_a_variable_that_should_hold_the_key_and_is_not_set_is_an_error(
    tmp_path: Path, config: str, dotenv: str
) -> None:
    found = facts(tmp_path, config, dotenv)
    (finding,) = found.findings
    assert (finding.check, finding.severity) == ("profile-key", "error")
    assert finding.what == (
        "there is no key for its model: its config.yaml names MY_SERVER, which is not set"
    )
    assert finding.where == str(tmp_path / "profiles/career/.env")
    assert finding.mend == f"write MY_SERVER=KEY into {finding.where}"
    assert found.key_from == ()


@pytest.mark.parametrize(
    ("config", "dotenv"),
    [
        (f"model: {{default: m, provider: custom, {SERVER}, key_env: MY_SERVER}}", "MY_SERVER=k"),
        (f"model: {{default: m, provider: custom, {REMOTE}, key_env: MY_SERVER}}", ""),
        ("model: {default: m, provider: nous, key_env: MY_SERVER}", "NOUS_API_KEY=k"),
        (f"{NAMED}providers: {{my-server: {{api_key: k}}, other: {{key_env: MY_SERVER}}}}", ""),
        (
            f"model: {{default: m, provider: custom, {SERVER}, key_env: A}}\nsecrets: {{b: {{}}}}",
            "",
        ),
    ],
)
def test_a_key_that_is_there_is_no_finding(tmp_path: Path, config: str, dotenv: str) -> None:
    found = facts(tmp_path, config, dotenv)
    assert (found.findings, bool(found.key_from)) == ((), True)


@pytest.mark.parametrize(
    ("url", "dotenv"), [("http://127.0.0.1:1/v1", ""), ("https://a.example", "OPENAI_API_KEY=k")]
)
def test_a_server_that_may_need_no_key_or_get_another_is_a_warning(
    tmp_path: Path, url: str, dotenv: str
) -> None:
    config = f"model: {{default: m, provider: custom, base_url: '{url}', key_env: MY_SERVER}}"
    found = facts(tmp_path, config, dotenv)
    assert [finding.severity for finding in found.findings] == ["warning"]
    assert found.usable


@pytest.mark.parametrize("config", ["model: [\n", "- a list\n"])
def test_nothing_is_said_of_model_and_key_if_the_file_cannot_be_read(
    tmp_path: Path, config: str
) -> None:
    (tmp_path / "auth.json").write_text('{"providers": {"nous": {"x": 1}}}')
    found = facts(tmp_path, config)
    assert [finding.check for finding in found.findings] == ["profile-config"]
