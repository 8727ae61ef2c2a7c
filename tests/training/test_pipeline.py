"""A run from labelled comments to a model card, in small: every step as its user calls it."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from labels import taxonomy
from serving.artifact import MANIFEST, Artifact, sha256
from serving.scorer import Scorer
from tests.training.world import World, sentences
from training import calibrate, card, corpus, evaluate, lineage, network, record, revive, teach
from training.card import results as card_results
from training.export import ARTIFACT, REFERENCE, ExportError
from training.metrics import auc
from training.recipe import RecipeError, load
from training.train import train

LEARNED = tuple(name for name in taxonomy.load().names if name not in ("sexually_explicit", "attack_on_commenter"))
EVALUATION_KEYS = {
    "model",
    "manifest_sha256",
    "recipe",
    "stages",
    "data_fingerprint",
    "versions",
    "cpu",
    "speed",
    "data",
    "quantisation",
    "bars",
    "measurements",
    "by_share",
    "examples",
}
MEASUREMENT_KEYS = {
    "source",
    "kind",
    "attribute",
    "rows",
    "positives",
    "auc",
    "average_precision",
    "calibration_error",
    "reliability",
    "thresholds",
    "rivals",
}


@pytest.fixture(scope="session")
def evaluation(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
    return found


def prepared(trained: Path, folder: Path) -> Path:
    """A fresh run's folder with the same corpus."""
    shutil.copytree(trained / "data", folder / "tiny" / "data")
    return folder / "tiny"


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "network" / network.WEIGHTS)


def last_checkpoint(folder: Path) -> dict[str, torch.Tensor]:
    newest = max((folder / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    return load_file(newest / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether both hold the same tensors, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("step", ["data/prepare", "train", "export", "calibrate"])
def test_each_step_records_what_it_did(world: World, run: Path, step: str) -> None:
    path = run / f"{step}.json"
    found = record.read(path.parent, path.stem)
    assert found["step"] == path.stem
    assert found["recipe"] == load(world.recipe()).model_dump(mode="json")
    assert found["seed"] == 11
    assert found["data_fingerprint"] == record.read(run / "data", "prepare")["data_fingerprint"]
    assert {"evenhand", "torch", "transformers", "datasets", "onnxruntime"} <= found["versions"].keys()
    assert found["cpu"]["name"]


def test_files_of_a_run(run: Path) -> None:
    pictures = (run / "curves.png", run / "evaluation" / "auc.png", run / "evaluation" / "reliability.png")
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG")
    sizes = record.read(run, "export")["results"]["bytes"]
    assert sizes[ARTIFACT] < sizes[REFERENCE]


def test_evaluation_texts_were_kept_out(trained: Path) -> None:
    results = record.read(trained / "data", "prepare")["results"]
    assert results["sources"]["civil_comments"]["leaked"] == 2


def test_training_says_what_it_does(trained: Path) -> None:
    log = (trained.parent / "train.log").read_text(encoding="utf-8")
    settings = ("'batch_tokens': 640", "'learning_rate': 0.002", "seed 11")
    derived = ("17 attributes have labels", "68 steps", "1 process(es), 1 thread(s)")
    progress = ("100%|", "68/68", "tokens_per_second", "minutes_left", "eval_auc_incivility")
    summary = ("68 of 68 steps, best mean AUC ", f"{trained}")
    for said in (*settings, *derived, *progress, *summary):
        assert said in log.replace("\n", " ") or said in log


def test_only_attributes_with_labels_are_learned(run: Path) -> None:
    assert corpus.attributes(run / "data") == LEARNED
    assert tuple(head.name for head in Artifact.load(run / ARTIFACT).manifest.attributes) == LEARNED


def test_fewer_sources_make_a_smaller_network(world: World, tmp_path: Path) -> None:
    path = world.recipe("fewer", sources=("civil_comments", "cmv_moderation"), max_tokens=24, passes=1)
    done = world.run("training.prepare", path, "--data-dir", world.data, "--runs-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    results = train(load(path), tmp_path / "tiny")
    expected = ("incivility", "report_worthy", "toxicity", "hostile")
    assert corpus.attributes(tmp_path / "tiny" / "data") == expected
    assert weights(tmp_path / "tiny")["head.weight"].shape[0] == 4
    measured = {key for entry in results["history"] for key in entry if key.startswith("eval_auc_")}
    assert measured == {f"eval_auc_{name}" for name in expected}


def test_length_prior_is_fitted_where_the_recipe_says_so_and_stays(run: Path) -> None:
    prior = weights(run)["prior"]
    column = LEARNED.index("constructive")
    # Constructive sentences are longer in this world.
    assert prior[1, column] > 1
    assert (prior[:, [i for i in range(len(LEARNED)) if i != column]] == 0).all()
    assert torch.equal(last_checkpoint(run)["prior"], prior)


def test_artifact_separates_unseen_sentences(run: Path) -> None:
    unseen = list(sentences(120, ("neutral", "rude"), random.Random(99)))
    scores = Scorer.load(run / ARTIFACT).score([text for _, text in unseen])
    rude = np.array([float(kind == "rude") for kind, _ in unseen])
    for name in ("incivility", "report_worthy", "insult", "hostile"):
        found = auc(rude, np.array([score[name] for score in scores]))
        assert found is not None
        assert found > 0.9, name
        # Calibration moved the scores to both sides of one half.
        assert {score[name] > 0.5 for score in scores} == {True, False}


def test_int8_is_close_to_fp32_on_every_attribute(run: Path) -> None:
    found = record.read(run, "calibrate")["results"]["int8_against_fp32"]
    assert tuple(found) == LEARNED
    assert all(values["auc_loss"] <= 0.05 and values["score_change"] <= 0.2 for values in found.values())


def test_installed_artifact_is_the_run_s_own(run: Path) -> None:
    installed = Artifact.load(run.parent / "installed")
    assert installed.manifest == Artifact.load(run / ARTIFACT).manifest
    assert installed.manifest.training_data == record.read(run / "data", "prepare")["data_fingerprint"]
    assert all(head.slope != 1.0 for head in installed.manifest.attributes)
    assert installed.manifest.metrics["development_auc_incivility"] > 0.9


def test_too_strict_a_tolerance_fails_the_step(world: World, run: Path, tmp_path: Path) -> None:
    strict = world.recipe("strict", score_tolerance=0.0)
    shutil.copytree(run, tmp_path / "tiny")
    with pytest.raises(ExportError, match=r"int8 strays from fp32: .*incivility: score_change 0\.\d{4} > 0"):
        calibrate.main(strict, tmp_path, install_to=tmp_path / "installed")
    assert not (tmp_path / "installed").exists()


def test_evaluation_holds_every_key(run: Path, evaluation: dict[str, Any]) -> None:
    assert evaluation.keys() == EVALUATION_KEYS
    barred = {bar["source"] for bar in evaluation["bars"]}
    for item in evaluation["measurements"]:
        assert item.keys() - {"within_length_bands"} == MEASUREMENT_KEYS
        assert ("within_length_bands" in item) == (item["attribute"] == "constructive")
        assert item["auc"]["low"] <= item["auc"]["value"] <= item["auc"]["high"]
        compared = {"fp32"} if item["source"] in barred else set()
        assert item["rivals"].keys() == {"length", "words"} | compared
        assert [row["threshold"] for row in item["thresholds"]] == [0.5, 0.7, 0.8, 0.9]
    assert evaluation["manifest_sha256"] == sha256(run / ARTIFACT / MANIFEST)
    assert evaluation["speed"]["comments_per_second"] > 0
    assert tuple(evaluation["examples"]["pairs"]) == LEARNED


def test_evaluation_measures_held_out_and_evaluation_only_rows(evaluation: dict[str, Any]) -> None:
    found = {(item["source"], item["attribute"]): item for item in evaluation["measurements"]}
    elsewhere = found["reddit_incivility", "incivility"]
    assert (elsewhere["kind"], elsewhere["rows"], elsewhere["positives"]) == ("evaluation only", 80, 40)
    assert elsewhere["auc"]["value"] > 0.9
    assert found["ucc_val", "hostile"]["kind"] == "held out"
    # Rows outside the plain random sample are not measured.
    held_out = evaluation["data"]["civil_comments"]["test"]
    assert 0 < found["civil_comments", "toxicity"]["rows"] < held_out


def test_evaluation_needs_rows(world: World, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "tiny")
    for name in ("test", "evaluation"):
        corpus.write(tmp_path / "tiny" / "data", name, [], LEARNED)
    with pytest.raises(RecipeError, match="nothing to measure on: there are no test rows and no evaluation sets"):
        evaluate.main(world.recipe(), tmp_path)


def test_bars_say_what_was_reached(evaluation: dict[str, Any]) -> None:
    first, second = evaluation["bars"]
    assert (first["rows"], first["met"]) == (80, True)
    assert second["met"] == (second["result"]["value"] >= 0.99)


def test_card_is_written_from_the_evaluation(world: World, run: Path, evaluation: dict[str, Any]) -> None:
    card.main(world.recipe(), run.parent)
    text = (run / "model_card.md").read_text(encoding="utf-8")
    value = next(m for m in evaluation["measurements"] if m["source"] == "reddit_incivility")["auc"]["value"]
    assert f"{value:.3f}" in text
    assert "CC BY-NC-SA 4.0" in text


def test_interrupted_run_ends_with_the_same_weights(world: World, trained: Path, tmp_path: Path) -> None:
    folder = prepared(trained, tmp_path)
    # Between two evaluations, with dropout: batches, optimiser, schedule and random state all go on.
    first = world.run("training.train", world.recipe(), "--runs-dir", tmp_path, "--stop-after", 17)
    assert first.returncode == 0, first.stderr
    assert "17 of 68 steps" in first.stdout
    assert not (folder / "network").exists()
    second = world.run("training.train", world.recipe(), "--runs-dir", tmp_path)
    assert second.returncode == 0, second.stderr
    assert "checkpoint-17" in second.stderr.replace("\n", "")
    assert same(last_checkpoint(folder), last_checkpoint(trained))
    assert same(weights(folder), weights(trained))


def test_patience_counts_on_after_an_interruption(world: World, trained: Path, tmp_path: Path) -> None:
    # Nothing is learned, so the first evaluation stays the best, and the third is the second without a gain.
    recipe = load(world.recipe("idle", learning_rate=1e-12, evaluations=8, patience=2))
    whole, parts = prepared(trained, tmp_path / "whole"), prepared(trained, tmp_path / "parts")
    assert train(recipe, whole)["steps"] == 24
    assert train(recipe, parts, stop_after=15)["steps"] == 15
    assert train(recipe, parts)["steps"] == 24
    # It is finished: another call trains no further.
    assert train(recipe, parts)["steps"] == 24


def test_checkpoints_of_another_run_are_refused(world: World, trained: Path, tmp_path: Path) -> None:
    folder = prepared(trained, tmp_path)
    train(load(world.recipe()), folder, stop_after=2)
    other = load(world.recipe("faster", learning_rate=0.004))
    with pytest.raises(RecipeError, match=r"checkpoints are of another run \(train changed\)"):
        train(other, folder)


def test_finished_run_stays_as_it_is(world: World, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "tiny")
    train(load(world.recipe()), tmp_path / "tiny")
    assert same(weights(tmp_path / "tiny"), weights(trained))


def test_two_processes_train_together(world: World, trained: Path, tmp_path: Path) -> None:
    folder = prepared(trained, tmp_path)
    torchrun = ("torch.distributed.run", "--standalone", "--nproc-per-node", 2, "-m", "training.train")
    done = world.run(*torchrun, world.recipe(), "--runs-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 process(es)" in done.stderr
    assert record.read(folder, "train")["results"]["steps"] == 34
    start, end = load_file(world.folder / "encoder" / "model.safetensors"), weights(folder)
    assert all(value.isfinite().all() for value in end.values())
    moved = [name for name in start if not torch.equal(start[name], end[f"encoder.{name}"])]
    assert len(moved) > len(start) / 2
    assert record.read(folder, "train")["results"]["best_auc"] > 0.8


def test_training_needs_a_prepared_corpus(world: World, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"run `python -m training\.prepare` with this recipe first"):
        train(load(world.recipe()), tmp_path)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ((0.0, 0.0), "nothing to learn: no attribute has training rows both with and without it"),
        ((1.0, 0.0), "nothing to choose the best network by: none of toxicity has development rows both"),
    ],
)
def test_training_needs_rows_with_and_without_an_attribute(
    world: World, tmp_path: Path, labels: tuple[float, float], said: str
) -> None:
    recipe = load(world.recipe("alone", sources=("civil_comments",)))
    data = tmp_path / "data"
    data.mkdir()
    rows = [corpus.Row("civil_comments", n, f"The mayor {n}", {"toxicity": labels[n]}, None, True) for n in (0, 1)]
    prints = [corpus.write(data, name, part, ("toxicity",)) for name, part in (("train", rows), ("dev", rows[1:]))]
    counts = {"civil_comments": {"train": 2, "dev": 1, "test": 0}}
    record.write(data, "prepare", recipe, prints[0], {"sources": counts})
    with pytest.raises(RecipeError, match=said):
        train(recipe, tmp_path)


def second(world: World, start: str | None = "tiny", **changes: object) -> Path:
    """The recipe of a run that starts from another one; its path."""
    stage: dict[str, Any] = {"passes": 1 if start is None else f'1\nmax_steps = 8\nstart = "{start}"'}
    stage |= {"learning_rate": 1e-12}
    path = world.recipe(f"after-{start}", **(stage | changes))
    path.write_text(path.read_text(encoding="utf-8").replace('name = "tiny"', 'name = "second"', 1), encoding="utf-8")
    return path


def test_second_stage_goes_on_from_the_first(world: World, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "tiny")
    path = second(world)
    done = world.run("training.prepare", path, "--data-dir", world.data, "--runs-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    results = train(load(path), tmp_path / "second")
    assert results["steps"] == 8
    assert results["identity"]["starting_weights"] == sha256(trained / "network" / network.WEIGHTS)
    # With next to no learning it is the first stage's network.
    before, after = weights(trained), weights(tmp_path / "second")
    assert all(torch.allclose(after[name], before[name], atol=1e-6) for name in before if name != "prior")
    # A mean with the first stage's weights is made without training again.
    mixed = load(second(world, learning_rate=1e-12, dropout="0.1\nmix = 0.5"))
    assert train(mixed, tmp_path / "second")["steps"] == results["steps"]
    assert torch.allclose(weights(tmp_path / "second")["head.weight"], before["head.weight"], atol=1e-6)
    mixed = load(second(world, learning_rate=1e-12, dropout='0.1\nmix = 0.5\nmix_with = "first"'))
    with pytest.raises(RecipeError, match=r"mix_with: 'first' is not among the runs before this one: tiny"):
        train(mixed, tmp_path / "second")
    # With its heads alone training starts from the bare encoder.
    heads = load(second(world, passes='1\nstart = "tiny"\ninherit = "heads"'))
    shutil.rmtree(tmp_path / "second" / "checkpoints")
    train(heads, tmp_path / "second")
    after, bare = weights(tmp_path / "second"), load_file(world.folder / "encoder" / "model.safetensors")
    assert torch.allclose(after["head.weight"], before["head.weight"], atol=1e-6)
    assert all(torch.allclose(after[f"encoder.{name}"], value, atol=1e-6) for name, value in bare.items())
    # Baselines are given all that the network has seen.
    seen = lineage.seen(tmp_path / "second", LEARNED, load(path))
    assert set(seen.keys) == set(corpus.read(trained / "data", "train", LEARNED).keys)
    recorded = record.read(trained / "data", "prepare")["results"]["sources"]
    assert {name: info["train"] for name, info in lineage.account(recorded, seen, LEARNED).items()} == {
        name: info["train"] for name, info in recorded.items()
    }


def test_checkpoints_from_other_starting_weights_are_refused(world: World, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "tiny")
    shutil.copytree(trained / "data", tmp_path / "second" / "data")
    recipe = load(second(world))
    train(recipe, tmp_path / "second", stop_after=2)
    other = network.restore(tmp_path / "tiny" / "network", LEARNED)
    other.head.bias.data += 1
    network.save(other, tmp_path / "tiny" / "network")
    with pytest.raises(RecipeError, match=r"checkpoints are of another run \(starting_weights changed\)"):
        train(recipe, tmp_path / "second")


def test_second_stage_is_not_trained_on_rows_that_the_first_holds_out(
    world: World, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path / "tiny")
    path = second(world, seed=12)
    done = world.run("training.prepare", path, "--data-dir", world.data, "--runs-dir", tmp_path)
    assert done.returncode == 2
    assert "repeats" in done.stderr
    # Nor if it was prepared without a look at the first.
    alone = second(world, start=None, seed=12)
    assert world.run("training.prepare", alone, "--data-dir", world.data, "--runs-dir", tmp_path).returncode == 0
    with pytest.raises(RecipeError, match="is held out by the run tiny, which this one starts from"):
        train(load(path), tmp_path / "second")


def test_a_run_to_start_from_must_be_trained(world: World, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "tiny")
    shutil.copytree(trained / "data", tmp_path / "second" / "data")
    recipe = load(second(world))
    shutil.rmtree(tmp_path / "tiny" / "network")
    with pytest.raises(FileNotFoundError, match="train the recipe 'tiny' first"):
        train(recipe, tmp_path / "second")


def test_a_network_learns_from_its_teachers(world: World, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "tiny")
    path = second(world, start=None, learning_rate=1e-3, dropout='0.1\nteachers = ["tiny"]\ntaught = ["c3"]')
    assert world.run("training.prepare", path, "--data-dir", world.data, "--runs-dir", tmp_path).returncode == 0
    with pytest.raises(FileNotFoundError, match=r"run `python -m training\.teach` with this recipe first"):
        train(load(path), tmp_path / "second")
    done = world.run("training.teach", path, "--runs-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = corpus.read(tmp_path / "second" / "data", "train", LEARNED)
    copies = [f"{rows.keys[rows.sources.index('c3')]}:{kind}" for kind in ("disguised", "swapped", "joined")]
    targets = teach.targets(tmp_path / "second", [*rows.keys, *copies], (*LEARNED, "unheard_of"))
    taught = np.array([name == "c3" for name in rows.sources])
    assert f"{taught.sum()} rows of second have the scores of tiny" in done.stdout
    assert np.isnan(targets[: len(rows)][~taught]).all()
    # The teacher knows what is constructive, and says something of every attribute that it has.
    column = LEARNED.index("constructive")
    assert (auc(rows.labels[taught, column], targets[: len(rows)][taught, column]) or 0) > 0.9
    assert not np.isnan(targets[: len(rows)][taught, :-1]).any()
    # Copies of one row are taught as it is, those of several rows are not.
    assert np.array_equal(targets[-3], targets[rows.sources.index("c3")], equal_nan=True)
    assert np.array_equal(targets[-2], targets[-3], equal_nan=True)
    assert np.isnan(targets[-1]).all()
    results = train(load(path), tmp_path / "second")
    assert results["identity"]["teachers_scores"] == sha256(tmp_path / "second" / teach.FILE)


def test_a_teacher_must_not_know_what_is_held_out(world: World, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "tiny")
    path = second(world, start=None, seed=12, dropout='0.1\nteachers = ["tiny"]')
    assert world.run("training.prepare", path, "--data-dir", world.data, "--runs-dir", tmp_path).returncode == 0
    with pytest.raises(RecipeError, match="is held out here, and the teacher tiny was trained on it"):
        teach.teach(load(path), tmp_path)


def test_runs_are_compared_on_development_rows(world: World, trained: Path, tmp_path: Path) -> None:
    for name in ("tiny", "second"):
        shutil.copytree(trained, tmp_path / name)
    path = second(world)
    done = world.run("training.compare", world.recipe(), path, "--runs-dir", tmp_path, "--words", "insult", "--mean")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "second" / "compare.json").read_text(encoding="utf-8"))
    by_name = {(item["source"], item["attribute"], "bands" in item): item["auc"] for item in found}
    insult = by_name["wikipedia_six_labels", "insult", False]
    assert insult.keys() == {"tiny", "second", "mean", "words", "length"}
    assert insult["tiny"] == insult["second"] == insult["mean"] > 0.9
    assert ("c3", "constructive", True) in by_name


def test_a_network_comes_back_from_its_artifact(world: World, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "data", tmp_path / "tiny" / "data")
    command = ("training.revive", world.recipe(), "--artifact", run / ARTIFACT, "--runs-dir", tmp_path)
    done = world.run(*command)
    assert done.returncode == 0, done.stderr
    before, after = weights(run), weights(tmp_path / "tiny")
    assert before.keys() == after.keys()
    for name, value in before.items():
        if "position_embeddings" not in name and "token_type" not in name:  # which come back as one sum
            assert (after[name] - value).abs().mean() < 0.02 * value.abs().mean() + 1e-4, name
    # Another recipe may go on from it.
    path = second(world)
    assert world.run("training.prepare", path, "--data-dir", world.data, "--runs-dir", tmp_path).returncode == 0
    assert train(load(path), tmp_path / "second")["finished"]


def test_an_artifact_without_its_run_is_measured_again(
    world: World, run: Path, evaluation: dict[str, Any], tmp_path: Path
) -> None:
    shutil.copytree(run / "data", tmp_path / "tiny" / "data")
    revive.main(world.recipe(), run / ARTIFACT, tmp_path)
    recipe, results = load(world.recipe()), tmp_path / "results"
    with pytest.raises(FileNotFoundError, match="holds no evaluation of this artifact"):
        evaluate.evaluate(recipe, tmp_path / "tiny", results)
    shutil.copytree(run / "evaluation", results)
    again = evaluate.evaluate(recipe, tmp_path / "tiny", results, keep_speed=True)
    assert (again["speed"], again["cpu"]) == (evaluation["speed"], evaluation["cpu"])
    # Only the network that is gone could tell these.
    assert again["quantisation"] == evaluation["quantisation"]
    assert again["examples"]["torch"] == evaluation["examples"]["torch"]
    assert all("fp32" not in item["rivals"] for item in again["measurements"])
    assert [item["auc"] for item in again["measurements"]] == [item["auc"] for item in evaluation["measurements"]]
    assert "its fp32 network is gone" in card_results.quantisation(again)


def test_a_network_of_other_rows_is_not_taken_for_the_run_s(world: World, run: Path, tmp_path: Path) -> None:
    path = world.recipe("fewer", sources=("civil_comments", "cmv_moderation"))
    assert world.run("training.prepare", path, "--data-dir", world.data, "--runs-dir", tmp_path).returncode == 0
    done = world.run("training.revive", path, "--artifact", run / ARTIFACT, "--runs-dir", tmp_path)
    assert done.returncode == 2
    assert "was trained on other rows than are prepared" in done.stderr
    assert not (tmp_path / "tiny" / "network").exists()
