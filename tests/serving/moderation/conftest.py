from __future__ import annotations

import pytest

from serving.store import Store
from tests.serving.moderation.world import World


@pytest.fixture
def world(store: Store) -> World:
    return World.made(store)
