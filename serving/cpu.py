"""What the processor can do that decides how fast and how exactly the int8 model runs, and which of it is ours."""

from __future__ import annotations

import math
import os
import platform
import sys
import threading
from contextlib import suppress
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
CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
# Of threads that score, so that requests are read and answered while others are scored; beside another program on the
# same core it leaves them a quarter. What more and less of it gave: docs/performance-log.md.
NICENESS = 5


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


def allowed() -> list[int]:
    """The numbers of the cores that this process may use; empty where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def quota(path: Path = CPU_MAX) -> float:
    """Cores' worth of time that a container's limit leaves (`docker run --cpus`), of the file `cpu.max` of cgroup v2;
    infinite without a limit.
    """
    try:
        most, period = path.read_text(encoding="utf-8").split()
        return int(most) / int(period)
    except (OSError, ValueError):  # no such file, or "max"
        return math.inf


def cores() -> int:
    """How many threads can compute at a time: one for each core that this process may use, or fewer by its limit."""
    count, limit = len(allowed()) or os.cpu_count() or 1, quota()
    return count if limit >= count else max(1, math.ceil(limit))


def settle(core: int | None = None) -> None:
    """Has the calling thread give way to others, and keeps it on one core if that is given, or else lets it have all
    that are the process's: threads start with what the thread that starts them has. Linux only: elsewhere, and where
    the system refuses, it stays as it was.
    """
    if sys.platform != "linux":
        return
    me, process = threading.get_native_id(), os.getpid()
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, me, os.getpriority(os.PRIO_PROCESS, process) + NICENESS)
        os.sched_setaffinity(me, os.sched_getaffinity(process) if core is None else {core})
