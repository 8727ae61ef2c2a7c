"""Keeps the Hugging Face libraries off the network and out of the home directory, before they are imported."""

from __future__ import annotations

import atexit
import os
import tempfile

_home = tempfile.TemporaryDirectory(prefix="evenhand-tests-")
atexit.register(_home.cleanup)
os.environ["HF_HOME"] = _home.name
os.environ["HF_HUB_OFFLINE"] = "1"
