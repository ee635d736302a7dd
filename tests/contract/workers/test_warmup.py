"""What a prepared process knows of its provider before there is a message."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from agent import model_metadata, usage_pricing
from gateway import run
from tools import env_probe

from hermes_router_worker.hermes.startup import provider_answers, warmup
from tests.kit import FakeModel


@pytest.fixture(autouse=True)
def forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    for name in ("_endpoint_probe_path_cache", "_endpoint_model_metadata_cache"):
        monkeypatch.setattr(model_metadata, name, {})
    monkeypatch.setattr(model_metadata, "_endpoint_model_metadata_cache_time", {})


@pytest.fixture
def model() -> Iterator[FakeModel]:
    with FakeModel() as server:
        yield server


def use(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    runtime = {"provider": "custom", "base_url": address, "api_key": "key"}
    monkeypatch.setattr(run, "_resolve_runtime_agent_kwargs", lambda: runtime)


def kind_asked_again(model: FakeModel) -> list[str]:
    before = len(model.probes)
    assert model_metadata.detect_local_server_type(model.base_url, api_key="key") is None
    return model.probes[before:]


def test_hermes_does_not_ask_again_what_kind_of_server_an_unknown_one_is(
    model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, model.base_url)
    provider_answers.ask_provider()
    assert "GET /api/tags" in model.probes
    assert kind_asked_again(model) == []


def test_that_is_forgotten_after_as_long_as_hermes_knows_a_known_one(
    model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, model.base_url)
    provider_answers.ask_provider()
    later = time.monotonic() + model_metadata._ENDPOINT_PROBE_TTL_SECONDS + 1
    # A clock for Hermes alone: the server's event loop would wait for what it had from this one.
    clock = SimpleNamespace(**vars(time) | {"monotonic": lambda: later})
    monkeypatch.setattr(model_metadata, "time", clock)
    assert "GET /api/tags" in kind_asked_again(model)


def test_an_endpoint_that_did_not_answer_is_no_unknown_kind(
    model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, "http://127.0.0.1:9/v1")
    provider_answers.ask_provider()
    assert model_metadata._endpoint_probe_path_cache == {}


def test_old_answers_hold_for_the_turn_that_begins_and_missing_ones_are_asked_for(
    model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, model.base_url)
    provider_answers.ask_provider()
    times: dict[Any, Any] = model_metadata._endpoint_model_metadata_cache_time
    for known in [key for key in times if model.base_url in key]:  # from 0.21 on, with the API key
        times[known] -= 3600
    answers: dict[Any, Any] = model_metadata._endpoint_model_metadata_cache
    answers["http://silent"] = {}
    times["http://silent"] = 0
    provider_answers.trust_answers()
    before = len(model.probes)
    assert model_metadata.fetch_endpoint_model_metadata(model.base_url, api_key="key")
    assert model.probes[before:] == []
    assert times["http://silent"] == 0


def test_prices_are_not_asked_for_again_in_the_turn(
    model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, model.base_url)
    provider_answers.ask_provider()
    before = len(model.probes)
    usage_pricing.get_pricing_entry("some-model", provider="custom", base_url=model.base_url)
    assert model.probes[before:] == []


def test_an_old_kind_holds_for_the_turn_that_begins(
    model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, model.base_url)
    provider_answers.ask_provider()
    kinds: dict[str, tuple[Any, float]] = model_metadata._endpoint_probe_path_cache
    for server, (kind, asked) in list(kinds.items()):
        kinds[server] = (kind, asked - model_metadata._ENDPOINT_PROBE_TTL_SECONDS)
    provider_answers.trust_answers()
    assert kind_asked_again(model) == []


@pytest.mark.parametrize("wanted", [True, False])
def test_the_machines_python_tools_are_looked_for_where_the_profile_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    (tmp_path / "config.yaml").write_text(f"agent: {{environment_probe: {str(wanted).lower()}}}")
    done: list[str] = []
    monkeypatch.setattr(env_probe, "warm_environment_probe_async", lambda: done.append("begun"))
    monkeypatch.setattr(env_probe, "get_environment_probe_line", lambda: done.append("waited"))
    warmup._begin_probe()
    warmup._end_probe()
    assert done == (["begun", "waited"] if wanted else [])
