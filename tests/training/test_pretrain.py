from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.world import World
from training import network, pretrain, record
from training.recipe import RecipeError, load
from training.train import train


def test_an_encoder_is_pretrained_on_the_texts_first(world: World, tmp_path: Path) -> None:
    path = world.recipe("pretrained", learning_rate=1e-12)
    table = "[pretrain]\nsteps = 40\nlearning_rate = 3e-3\nevaluations = 2\n\n[train]"
    path.write_text(path.read_text(encoding="utf-8").replace("[train]", table, 1), encoding="utf-8")
    recipe, directory = load(path), tmp_path / "tiny"
    assert world.run("training.prepare", path, "--data-dir", world.data, "--runs-dir", tmp_path).returncode == 0
    with pytest.raises(FileNotFoundError, match=r"run `python -m training\.pretrain` with this recipe first"):
        train(recipe, directory)
    # Interrupted and gone on with, it is the encoder that it would have been.
    shutil.copytree(directory, tmp_path / "once" / "tiny")
    assert not pretrain.pretrain(recipe, directory, stop_after=15)["finished"]
    pretrain.pretrain(recipe, directory)
    losses = record.read(directory, "pretrain")["results"]["development_losses"]
    assert len(losses) == 3  # before, halfway, at the end
    assert losses[-1] < 0.9 * losses[0]
    pretrain.pretrain(recipe, tmp_path / "once" / "tiny")
    # A finished run is not repeated, but told of.
    before = (directory / "pretrain.json").stat().st_mtime_ns
    done = world.run("training.pretrain", path, "--runs-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"40 of 40 steps; loss on development rows {losses[0]:.3f}" in done.stdout
    assert (directory / "pretrain.json").stat().st_mtime_ns == before
    with pytest.raises(RecipeError, match="are of another run \\(seed changed\\)"):
        pretrain.pretrain(recipe.model_copy(update={"seed": 7}), directory)
    at_once, resumed = (
        load_file(folder / "tiny" / "encoder" / pretrain.WEIGHTS) for folder in (tmp_path / "once", tmp_path)
    )
    assert all(torch.equal(at_once[name], resumed[name]) for name in at_once)
    # With next to no learning it is what the network has.
    results = train(recipe, directory)
    assert results["identity"]["pretrained_encoder"] == pretrain.found(recipe, directory)[1]
    after = load_file(directory / "network" / network.WEIGHTS)
    kept = [name for name in resumed if f"encoder.{name}" in after]
    assert len(kept) > 10
    assert all(torch.allclose(after[f"encoder.{name}"], resumed[name], atol=1e-6) for name in kept)
    # What was pretrained otherwise is not taken for what the recipe asks.
    assert recipe.pretrain is not None
    other = recipe.model_copy(update={"pretrain": recipe.pretrain.model_copy(update={"masked": 0.5})})
    with pytest.raises(RecipeError, match=r"was pretrained otherwise \(pretrain changed\)"):
        train(other, directory)
