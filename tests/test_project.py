"""The house rules that no single module can keep: layout, direction of imports, versions, locks."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
OURS = {"labels", "serving", "training"}
MAY_IMPORT = {"labels": {"labels"}, "serving": {"labels", "serving"}, "training": OURS}
TRAINING_ONLY = {"torch", "transformers", "datasets", "sklearn"}
LAYOUT = (
    ".ci/run",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "benchmarks/",
    "deploy/",
    "docs/",
    "labels/",
    "model_card.md",
    "pyproject.toml",
    "requirements/",
    "serving/",
    "tests/",
    "training/",
)
LOCKS = ("serving", "training", "dev")
MODULES = sorted(path for package in OURS for path in (ROOT / package).rglob("*.py"))


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def imported(path: Path) -> Iterator[str]:
    """Top-level names of the packages that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]


def pins(lock: str) -> dict[str, str]:
    """Package -> version of a lock file."""
    lines = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("#")[0].strip().split("==") for line in lines if line and not line.startswith("#"))


def in_git(*folders: str) -> list[str]:
    """Names of the tracked files, of the whole checkout or of some folders."""
    # The ownership of a checkout may differ from ours in a container; reading its list of files is harmless.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", *folders]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in run.stdout.split("\0") if name]


def test_version_is_the_same_everywhere() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+) - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert newest is not None
    assert newest[1] == project()["version"] == metadata.version("evenhand")


@pytest.mark.parametrize("name", LAYOUT)
def test_layout(name: str) -> None:
    path = ROOT / name
    assert path.is_dir() if name.endswith("/") else path.is_file()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_run_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    names = set(imported(path))
    assert names & OURS <= MAY_IMPORT[package]
    assert "tests" not in names
    if package == "serving":
        assert not names & TRAINING_ONLY


def test_serving_loads_no_training_library_by_way_of_others() -> None:
    program = (
        "import importlib, pkgutil, sys, serving\n"
        "for module in pkgutil.walk_packages(serving.__path__, 'serving.'):\n"
        "    if not module.name.endswith('__main__'):\n"
        "        importlib.import_module(module.name)\n"
        "print(*sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    loaded = set(run.stdout.split())
    assert "serving.cli" in loaded
    assert not loaded & TRAINING_ONLY


def test_the_model_is_in_the_repository() -> None:
    assert {Path(name).name for name in in_git("serving/model")} == {"manifest.json", "model.onnx", "tokenizer.json"}


def test_ci_runs_what_developers_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_fit_every_machine(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE)  # no option such as an index
    for package, version in pins(lock).items():
        assert "+" not in version, f"{package}: a local build is on no public registry"
        assert not package.startswith(("nvidia-", "cuda-", "triton"))


def test_locks_agree() -> None:
    serving, training, dev = (pins(lock).items() for lock in LOCKS)
    assert serving <= training <= dev


def test_serving_lock_has_no_training_library() -> None:
    assert not pins("serving").keys() & {"torch", "transformers", "datasets", "scikit-learn"}


def test_locks_satisfy_the_project() -> None:
    extras = project()["optional-dependencies"]
    wanted = {
        "serving": project()["dependencies"],
        "training": extras["training"],
        "dev": extras["dev"],
    }
    for lock, requirements in wanted.items():
        locked = pins(lock)
        for requirement in map(Requirement, requirements):
            version = locked.get(canonicalize_name(requirement.name))
            assert version is not None, f"{requirement.name} is not locked: run `make lock`"
            assert requirement.specifier.contains(version), f"{requirement} is locked at {version}"


def test_no_file_names_a_folder_of_one_machine() -> None:
    folders = [f"/{name}/".encode() for name in ("work", "root")]
    tracked = [ROOT / name for name in in_git()]
    assert tracked
    found = [
        path.relative_to(ROOT).as_posix()
        for path in tracked
        if path.is_file() and any(folder in path.read_bytes() for folder in folders)
    ]
    assert found == []
