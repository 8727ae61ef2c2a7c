from __future__ import annotations

import math
from pathlib import Path

import pytest

from serving import cpu


@pytest.mark.parametrize(
    ("text", "found"),
    [("max 100000\n", math.inf), ("200000 100000\n", 2.0), ("50000 100000\n", 0.5), ("nonsense\n", math.inf)],
)
def test_limit_of_a_container(tmp_path: Path, text: str, found: float) -> None:
    path = tmp_path / "cpu.max"
    path.write_text(text)
    assert cpu.quota(path) == found


def test_without_such_a_file_there_is_no_limit(tmp_path: Path) -> None:
    assert cpu.quota(tmp_path / "cpu.max") == math.inf


@pytest.mark.parametrize(("limit", "cores"), [(0.5, 1), (1.0, 1), (1.5, 2), (math.inf, 6), (40.0, 6)])
def test_a_limit_leaves_fewer_threads_than_cores(monkeypatch: pytest.MonkeyPatch, limit: float, cores: int) -> None:
    monkeypatch.setattr(cpu, "quota", lambda: limit)
    monkeypatch.setattr(cpu, "allowed", lambda: list(range(6)))
    assert cpu.cores() == cores
