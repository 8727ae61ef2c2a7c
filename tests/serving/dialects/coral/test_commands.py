from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests import joi
from tests.serving.dialects.coral.calls import FOREIGN, SECRET, Service


def evenhand(service: Service, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "EVENHAND_CORAL": str(service.sites), "EVENHAND_MODE": "keys", **more}
    command = [sys.executable, "-c", "from serving.cli import app; app()", "coral", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def test_the_file_of_sites_can_be_checked(service: Service, tmp_path: Path) -> None:
    run = evenhand(service, "check")
    assert run.returncode == 0, run.stderr
    assert "hold: 2 secrets, HTML, answers within 9000 ms\n  1. insult at least 0: hold\n" in run.stdout
    assert SECRET not in run.stdout
    (tmp_path / "bad.toml").write_text("[sites.a]\n")
    bad = evenhand(service, "check", "--file", str(tmp_path / "bad.toml"))
    assert (bad.returncode, len(bad.stderr.splitlines())) == (2, 1)
    assert "site 'a'" in bad.stderr


def test_a_comment_can_be_sent_as_coral_would(service: Service) -> None:
    run = evenhand(service, "try", "--site", "reject", "--url", service.server.url)
    assert run.returncode == 0, run.stderr
    first, _, rest = run.stdout.partition("\n")
    assert first.startswith("200 in ")
    assert joi.accepted(json.loads(rest))["status"] == "REJECTED"
    assert "no opinion" in evenhand(service, "try", "--site", "accept", "--url", service.server.url).stdout
    refused = evenhand(service, "try", "--url", service.server.url, CORAL_SECRETS=FOREIGN)
    assert (refused.returncode, "401" in refused.stderr) == (2, True)
    nobody = evenhand(service, "try", "--url", "http://127.0.0.1:9")
    assert (nobody.returncode, "Coral would go on" in nobody.stderr) == (2, True)
