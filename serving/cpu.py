"""What the processor can do that decides how fast and how exactly the int8 model runs."""

from __future__ import annotations

import os
import platform
from pathlib import Path

RELEVANT = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimddp",
    "i8mm",
)


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    pairs = (line.partition(":") for line in path.read_text(encoding="utf-8").splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def features() -> tuple[str, ...]:
    """The instruction sets among RELEVANT that this CPU has; empty where the system does not tell."""
    info = _cpuinfo()
    flags = set((info.get("flags") or info.get("Features") or "").split())
    return tuple(name for name in RELEVANT if name in flags)


def model_name() -> str:
    """The CPU's name as the system gives it."""
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
