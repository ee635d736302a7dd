"""Moments of a turn, and what ends in them: a table of what the chat saw, a line for each pair.

``make faults`` prints it. What ends, ends in all moments of its row at once, each of them in a
topic of its own: starts of gateways are what the tests of this file cost.
"""

from __future__ import annotations

import pytest

from tests.gateway.conftest import (
    ONE_GATEWAY,
    Stage,
    add_boxed,
    build_stage,
    start_cold,
    stream_by_edits,
)
from tests.gateway.failures.faults import ends, ends_around
from tests.gateway.failures.faults.moments import (
    BOXED_PLACES,
    PLACES,
    accepted,
    approval_waits,
    last_edit,
    mid_stream,
    model_asked,
    reply_sent,
    to_come,
    tool_runs,
    waits_behind,
)
from tests.gateway.failures.faults.table import (
    ANSWER,
    KEEPS_SECRET,
    LINE,
    NOTHING,
    PART,
    SECRET,
    TABLE,
    Promises,
    Row,
    check,
)
from tests.kit import FORUM, USER, FakeModel, FakeTelegram

#: A test starts the gateway up to two times.
pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("clean")]

#: Topics that stay with their profiles when the others are taken from them.
HOMES = {"career": 90, "late": 91, "streams": 92}

#: Seconds after which a worker that says nothing is ended.
SILENCE = 12


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = add_boxed(build_stage(tmp_path_factory.mktemp("stage"), telegram, model))
    for name in ("late", "streams"):
        stage.root.add_profile(name, model=f"{name}-model", api_key=f"{name}-key")
    stream_by_edits(stage, "streams")
    for name in ("career", "streams", "boxed"):
        stage.root.profiles[name].configure(KEEPS_SECRET)
        stage.root.profiles[name].env({"MY_SECRET": SECRET})
    places = [*PLACES.values(), *BOXED_PLACES.values()]
    # The last place of a profile is its home channel: Hermes tells one that has none of that.
    places += HOMES.items()
    routes = {str(topic): profile for profile, topic in places}
    busy = {"timeouts": {"silence": SILENCE}, "limits": ends.LIMITS | {"concurrent_turns": 8}}
    stage.root.configure(
        {
            "gateway": {"profile_routes": {"telegram": {str(FORUM): routes, str(USER): "systems"}}},
            "hermes_router": {"profiles": dict.fromkeys(("career", "boxed", "streams"), busy)},
        }
    )
    stage.root.add_plugin("losing", ends_around.LOSES_ADAPTERS)
    stage.root.configure({"plugins": {"enabled": ["hermes-router", "losing"]}})
    for _profile, topic in places:
        telegram.add_topic(topic, f"topic {topic}")
    return start_cold(stage, "late", "streams", "boxed")


DIED, CUT = "stopped unexpectedly", "was interrupted"
TOLD, BOTH = f"{PART}, {LINE}", f"{LINE}, {ANSWER}"

ALL_ANSWERED: Promises = {
    model_asked: ANSWER,
    tool_runs: ANSWER,
    approval_waits: ANSWER,
    waits_behind: f"{ANSWER}, {ANSWER}",
    mid_stream: ANSWER,
    last_edit: ANSWER,
    reply_sent: ANSWER,
    accepted: ANSWER,
}

#: What was begun and is not answered is told of; what was not begun is answered afterwards.
NONE_TWICE: Promises = {
    model_asked: LINE,
    tool_runs: LINE,
    approval_waits: LINE,
    waits_behind: BOTH,
    mid_stream: TOLD,
    last_edit: ANSWER,
    reply_sent: ANSWER,
}
NONE_LOST: Promises = {**NONE_TWICE, accepted: ANSWER}

#: Where `--replace` waits for a stop in good order, the turns that it interrupts are continued.
ALL_GONE_ON_WITH: Promises = {**ALL_ANSWERED, mid_stream: f"{PART}, {ANSWER}"}

#: Hermes's new adapter knows no button of the old one, and Hermes sends again what was on its way.
ALL_AFTER_A_LOSS: Promises = {
    moment: what
    for moment, what in ALL_ANSWERED.items()
    if moment not in {approval_waits, last_edit, reply_sent}
}


def of_a_box(promises: Promises) -> Promises:
    """Return those of the promises that are looked at in a sandbox too."""
    return {moment: what for moment, what in promises.items() if moment in BOXED_PLACES}


#: The moments that are looked at in each run of the tests.
OFTEN = (model_asked, reply_sent, accepted)

ROWS = [
    Row(ends.worker, NONE_TWICE, DIED, often=(model_asked, waits_behind, reply_sent)),
    Row(ends.worker, of_a_box(NONE_TWICE), DIED, boxed=True, often=(model_asked,)),
    Row(ends.supervisor, NONE_TWICE, DIED, often=(model_asked, reply_sent)),
    Row(ends.out_of_memory, {tool_runs: LINE}, "limits.memory_bytes"),
    Row(ends.out_of_descriptors, {tool_runs: BOTH}, "limits.open_files"),
    Row(ends.config_edited, ALL_ANSWERED, often=OFTEN),
    Row(ends_around.patience, {model_asked: ANSWER}),
    Row(ends_around.adapter_lost, ALL_AFTER_A_LOSS, often=(model_asked, waits_behind)),
    Row(
        ends.gateway,
        NONE_LOST,
        CUT,
        often=(model_asked, mid_stream, last_edit, reply_sent, accepted),
    ),
    Row(ends.gateway_twice, NONE_LOST, CUT, often=OFTEN),
    Row(ends.sigterm, ALL_ANSWERED, often=OFTEN),
    Row(ends.replaced, ALL_ANSWERED, often=OFTEN),
]

#: These take long, or differ little from another one: only ``make faults`` has them.
ROWS_OF_THE_TABLE = [
    Row(ends.worker_stopped, NONE_TWICE, "(silence: "),
    Row(ends.worker_stopped, of_a_box(NONE_TWICE), "(silence: ", boxed=True),
    Row(ends.supervisor, of_a_box(NONE_TWICE), DIED, boxed=True),
    Row(ends.template, {to_come: ANSWER, **ALL_ANSWERED}),
    Row(ends.ready_worker, {to_come: ANSWER}),
    Row(ends.ready_worker_stopped, {to_come: ANSWER}),
    Row(ends.template_stopped, {to_come: ANSWER, model_asked: ANSWER}),
    Row(ends.out_of_memory, {tool_runs: LINE}, "limits.memory_bytes", boxed=True),
    Row(ends.out_of_descriptors, {tool_runs: BOTH}, "limits.open_files", boxed=True),
    Row(ends.config_broken, {m: what for m, what in ALL_ANSWERED.items() if m is not accepted}),
    Row(ends.second_gateway, ALL_ANSWERED),
    Row(ends.gateway, of_a_box(NONE_TWICE), CUT, boxed=True),
    Row(ends.sigterm, of_a_box(ALL_ANSWERED), boxed=True),
    Row(ends.replaced_hard, NONE_LOST if ONE_GATEWAY else ALL_GONE_ON_WITH, CUT),
]

#: What the platform does when the model answers.
ROWS_OF_THE_TABLE += [
    Row(ends_around.send_fails, {model_asked: ANSWER}),
    Row(ends_around.connection_breaks, {model_asked: ANSWER}),
    Row(ends_around.connection_breaks_late, {model_asked: ANSWER}),
    Row(ends_around.no_confirmation, {model_asked: ANSWER}),
    Row(ends_around.polls_break, {model_asked: ANSWER}),
    Row(ends_around.adapter_replaced, ALL_AFTER_A_LOSS),
    Row(ends_around.topic_deleted, {model_asked: NOTHING}),
    Row(ends_around.bot_removed, {model_asked: NOTHING}),
]
if TABLE:
    ROWS += ROWS_OF_THE_TABLE


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_each_message_has_the_promised_outcome(stage: Stage, row: Row) -> None:
    check(stage, row)
