"""How fast the artifact scores on this machine, through the serving scorer."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from serving.scorer import Scorer

SINGLE = 200  # comments timed one by one


def measure(scorer: Scorer, texts: Sequence[str]) -> dict[str, Any]:
    """Comments a second in one call, and milliseconds of a single comment, after a warm-up."""
    scorer.score(texts[:8])
    began = time.perf_counter()
    scorer.score(texts)
    batched = time.perf_counter() - began
    singles = []
    for text in texts[:SINGLE]:
        began = time.perf_counter()
        scorer.score([text])
        singles.append((time.perf_counter() - began) * 1000)
    middle, slow = np.quantile(singles, [0.5, 0.99])
    return {
        "comments": len(texts),
        "mean_characters": round(sum(map(len, texts)) / len(texts)),
        "cores": os.cpu_count(),
        "comments_per_second": round(len(texts) / batched),
        "single_ms_p50": round(float(middle), 1),
        "single_ms_p99": round(float(slow), 1),
    }
