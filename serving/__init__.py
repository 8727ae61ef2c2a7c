"""Model artifact -> scores -> decisions: scorer, HTTP API and command line."""

from __future__ import annotations

import os
from importlib.metadata import version

__version__ = version("evenhand")

# ONNX Runtime's builds report to Microsoft, by an id that they leave in the home directory, unless told not to before
# they are loaded. Whoever wants that sets it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
