from __future__ import annotations

from pathlib import Path

import pytest

from tests.training import world as worlds
from tests.training.world import World
from training import calibrate, evaluate, export


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return worlds.build(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def trained(world: World) -> Path:
    """The folder of a run, prepared and trained by the scripts; `prepare.log` and `train.log` hold their output."""
    recipe, runs = world.recipe(), world.folder / "runs"
    for step, options in (("prepare", ("--data-dir", world.data)), ("train", ())):
        done = world.run(f"training.{step}", recipe, *options, "--runs-dir", runs)
        assert done.returncode == 0, done.stderr
        (runs / f"{step}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    return runs / "tiny"


@pytest.fixture(scope="session")
def run(world: World, trained: Path) -> Path:
    """The same run, exported, calibrated, installed beside it in `installed`, and evaluated."""
    recipe, runs = world.recipe(), trained.parent
    export.main(recipe, runs)
    calibrate.main(recipe, runs, install_to=runs / "installed")
    evaluate.main(recipe, runs)
    return trained
