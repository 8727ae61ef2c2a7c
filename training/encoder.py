"""Finds the base encoder: inside an installed package, in a local directory, or on the hub by name."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def locate(encoder: str) -> str:
    """What `from_pretrained` is given for a recipe's `encoder`.

    `package:NAME` is the directory with a `config.json` inside the installed package NAME; an existing
    local directory is itself; anything else is a hub name. Raises FileNotFoundError for a package that
    is not installed or holds no encoder.
    """
    scheme, _, name = encoder.partition(":")
    if scheme != "package":
        return encoder
    spec = find_spec(name)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for config in sorted(Path(folder).rglob("config.json"), key=lambda path: len(path.parts)):
            if (config.parent / "model.safetensors").is_file():
                return str(config.parent)
    raise FileNotFoundError(f"encoder {encoder!r}: no installed package {name!r} holds config.json and weights")
