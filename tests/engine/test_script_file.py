"""A script file stands in for a model: plugins are tested with it in milliseconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from mellum_lsp.domain import Marker, Part
from mellum_lsp.engine.interface import GenerateRequest, ModelBroken, ModelMissing
from mellum_lsp.engine.script_file import engine_from_file

SCRIPT = '[{"after": "x = ", "text": "compute()"}]'


async def said(path: Path, prefix: str) -> str:
    parts = [
        Part("suffix", "", (Marker("<fim_suffix>"), "x = ")),
        Part("prefix", "", (Marker("<fim_prefix>"), prefix)),
        Part("middle", "", (Marker("<fim_middle>"),)),
    ]
    generation = engine_from_file(path).generate(GenerateRequest(parts, max_tokens=32))
    return b"".join([token.piece async for token in generation]).decode()


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("x = ", "compute()"),
        ("y = 1\nx = comp", "ute()"),
        ("x = compute()", ""),
        ("x = other", ""),
        ("", ""),
    ],
)
async def test_the_text_before_the_caret_decides_what_is_said(
    tmp_path: Path, prefix: str, expected: str
) -> None:
    path = tmp_path / "script.json"
    path.write_text(SCRIPT, "utf-8")
    assert await said(path, prefix) == expected


def test_a_missing_script_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ModelMissing, match=r"none\.json cannot be read: No such file.*\nhint: check the path"
    ):
        engine_from_file(tmp_path / "none.json")


@pytest.mark.parametrize("text", ["{", "{}", '[{"after": 1, "text": ""}]', '[{"after": "", "txt": ""}]'])
def test_a_broken_script_is_explained(tmp_path: Path, text: str) -> None:
    path = tmp_path / "script.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ModelBroken, match=r"cannot be used: .*\nhint: it is a JSON list"):
        engine_from_file(path)
