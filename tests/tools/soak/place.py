"""The place of a soak: a Hermes root with its profiles, and a chat for each conversation."""

from __future__ import annotations

from pathlib import Path

from tests.kit import FakeModel, FakeTelegram, HermesRoot
from tests.tools.soak.plan import Plan
from tests.tools.soak.said import Conversation

#: In each profile: messages wait for the turn before them, and answers grow while they are made.
#: The platform may refuse both forms in which Hermes asks a person: nobody answers then.
_PROFILE = {
    "approvals": {"timeout": 30},
    "display": {"busy_input_mode": "queue"},
    "streaming": {"enabled": True, "transport": "edit", "edit_interval": 0.3},
}


def conversations(plan: Plan) -> list[Conversation]:
    """Return the conversations, dealt out to the profiles in turn."""
    return [
        Conversation(number, f"profile{number % plan.profiles}")
        for number in range(plan.conversations)
    ]


def build(
    base: Path, telegram: FakeTelegram, model: FakeModel, talks: list[Conversation]
) -> HermesRoot:
    """Write the root; the gateway is not started."""
    root = HermesRoot(base, telegram=telegram, model=model)
    profiles = dict.fromkeys(talk.profile for talk in talks)
    for name in profiles:
        root.add_profile(name, config=_PROFILE)
    routes = {str(talk.chat): talk.profile for talk in talks}
    root.configure(
        {
            "plugins": {"enabled": ["hermes-router"]},
            "hermes_router": {
                "defaults": {"jobs": {"upkeep": False}},
                "warm_budget": {"profiles": len(profiles)},
            },
            "gateway": {"profile_routes": {"telegram": routes}},
        }
    )
    return root
