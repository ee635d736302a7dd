"""The webhook platform: which webhook called decides, by its name as the sender."""

from __future__ import annotations

import socket

import httpx
import pytest

from tests.gateway.conftest import SYSTEMS, UNROUTED, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram
from tests.kit.waiting import wait_until


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def answers(port: int) -> bool:
    """Say whether the gateway serves its webhooks: it connects one platform after the other."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel, port: int
) -> Stage:
    """Two webhooks that report to a topic; one of them is routed."""
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    webhooks = {
        name: {
            "secret": "INSECURE_NO_AUTH",
            "prompt": f"{name}: {{what}}",
            "deliver": "telegram",
            "deliver_extra": {"chat_id": str(FORUM), "thread_id": str(topic)},
        }
        for name, topic in (("builds", SYSTEMS), ("news", UNROUTED))
    }
    extra = {"host": "127.0.0.1", "port": port, "routes": webhooks}
    route = {"platform": "webhook", "user_id": "webhook:builds", "profile": "career"}
    stage.root.configure(
        {
            "platforms": {"webhook": {"enabled": True, "extra": extra}},
            "gateway": {"profile_routes": [route]},
        }
    )
    return stage


@pytest.mark.parametrize(
    ("name", "topic", "asked"),
    [("builds", SYSTEMS, "career-model"), ("news", UNROUTED, "kit-model")],
)
def test_a_webhook_is_answered_by_its_profile_and_delivered_where_it_says(
    stage: Stage, port: int, name: str, topic: int, asked: str
) -> None:
    wait_until(lambda: answers(port), what="the webhooks are not served")
    seq = stage.telegram.seq
    url = f"http://127.0.0.1:{port}/webhooks/{name}"
    answer = httpx.post(url, json={"what": "number one"}, timeout=100, trust_env=False)
    assert answer.status_code == 202, answer.text
    reply = stage.telegram.wait_reply(FORUM, topic, contains="echo: ", after=seq)
    assert f"{name}: number one" in reply.text
    assert stage.model.wait_chat(f"{name}: number one").model == asked
