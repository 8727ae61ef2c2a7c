from __future__ import annotations

from pathlib import Path

import pytest

from labels.swaps import SwapsError, fill, load


def test_there_are_enough_templates_and_identities() -> None:
    found = load()
    assert len(found.templates["calm"]) >= 20
    assert len(found.identities) >= 30
    assert "I am {a} {identity} reader and I agree." in found.templates["calm"]


def test_texts_read_as_english() -> None:
    assert fill("{A} {identity} woman met {a} {identity} man.", "Irish") == "An Irish woman met an Irish man."
    assert fill("I am {a} {identity} reader.", "Black") == "I am a Black reader."
    rows = load().texts("calm")
    assert len({text for row in rows for text in row}) == sum(map(len, rows))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("calm = ['x {identity}']", "missing key 'rude'"),
        ("calm = ['no gap']\nrude = ['{identity}']\nidentities = ['a']", "key 'calm' must hold texts with the gap"),
        ("calm = ['{identity} {b}']\nrude = ['{identity}']\nidentities = ['a']", "no gaps but"),
        ("calm = []\nrude = ['{identity}']\nidentities = ['a']", "key 'calm' must be a list of one text or more"),
        ("calm = ['{identity}']\nrude = ['{identity}']\nidentities = ['a', 'a']", "'identities' must not hold a text"),
        ("calm = [", "swaps.toml"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "swaps.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SwapsError, match=message):
        load(path)
