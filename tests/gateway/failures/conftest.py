"""What tests of failures share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.conftest import Stage


@pytest.fixture
def clean(stage: Stage) -> Iterator[None]:
    """Take back what a test had the platform and the model do."""
    yield
    stage.telegram.clear_faults()
    stage.model.clear_scripts()
