from __future__ import annotations

from typing import Any

import pytest

from tests.serving.moderation.conftest import Service


@pytest.mark.parametrize(
    ("setting", "value"),
    [("retention_days", True), ("appeal_days", False), ("undo_seconds", "60"), ("lease_seconds", 60.0), ("redress", 1)],
)
def test_a_setting_of_another_type_is_refused_and_none_is_changed(served: Service, setting: str, value: Any) -> None:
    path = f"/v1/sites/{served.world(undo_seconds=60).site}"
    error = served.call("PUT", path, {"name": "D", "settings": {setting: value}}, 422)
    assert (error["code"], error["field"]) == ("invalid_request", f"settings.{setting}")
    assert "should be a valid" in error["message"]
    [site] = [one for one in served.call("GET", "/v1/sites")["sites"] if path.endswith(f"/{one['id']}")]
    assert (site["name"], site["settings"]["undo_seconds"]) == ("The Daily Example", 60)
