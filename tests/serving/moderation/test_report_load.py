"""Readers' reports at the rate of a bad minute: 200 a second for 60 seconds, while a moderator reads the queue.

How quick it was is the benchmark's business (benchmarks/reports.py, whose load this is). A busy machine falls behind:
then the minute takes longer, and what is refused must be refused as documented.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import load, reports
from serving.store import Store
from tests import databases
from tests.coroutines import finish
from tests.service import running

RATE, SECONDS = 200, 60

# The promise is for SQLite, which has one writer. On PostgreSQL there is no such test.
if databases.kind == "sqlite":

    def test_no_acknowledged_report_is_lost_in_a_bad_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(load, "TIME_OUT", 600.0)  # no reader is impatient
        monkeypatch.setattr(reports, "COMMENTS", 500)  # fewer to make before it begins, each reported more often
        url = databases.fresh(tmp_path)
        store = Store(url)
        store.open()
        reports.fill(store)
        with running(tmp_path / "log", database_url=url, log_level="warning") as server:
            seen = finish(reports.load(int(server.url.rpartition(":")[2]), RATE, SECONDS))
        found = reports.kept(store)
        store.close()
        assert len(seen.answers) == sum(seen.report.statuses.values()) > 0.9 * RATE * SECONDS
        assert set(seen.report.statuses) <= {200, 429, 503}
        assert seen.report.statuses[200] and seen.looks
        assert set(seen.pages) <= {200, 503}
        assert reports.lost(seen, found) == []
        # What was refused was not filed, and nothing was filed twice.
        assert found == {reader: 1 for reader, status in seen.answers.items() if status == 200}
        assert "Traceback" not in server.log.read_text()
