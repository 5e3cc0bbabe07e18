"""Settings from JSON: typed, explained, and described by the schema that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mellum_lsp.lsp
from mellum_lsp.completion.settings import CompletionSettings
from mellum_lsp.completion.thresholds import Thresholds
from mellum_lsp.engine.settings import EngineSettings
from mellum_lsp.lsp.settings import Settings, schema
from mellum_lsp.lsp.settings_reading import overlay, read_settings
from mellum_lsp.workspace.settings import IndexSettings

REPOSITORY = Path(__file__).parents[3]


def test_without_settings_everything_has_its_rooms_default() -> None:
    settings, problems = read_settings(None)
    assert problems == []
    assert settings.completion() == CompletionSettings()
    assert settings.engine_settings() == EngineSettings()
    assert settings.indexing() == IndexSettings()


def test_all_settings_reach_their_room() -> None:
    settings, problems = read_settings(
        {
            "enabled": False,
            "model": "big",
            "gate": 1,
            "maxLines": 2,
            "minimumCharacters": 0,
            "midWord": True,
            "contextTokens": 6000,
            "latencyTargetMs": 500,
            "languages": ["python"],
            "exclude": ["*.min.js"],
            "maxFileBytes": 10,
            "engine": {
                "mode": "own",
                "url": None,
                "threads": 3,
                "gpuLayers": 12,
                "memoryMegabytes": 900,
                "keepStates": False,
            },
        }
    )
    assert problems == []
    assert settings.model == "big"
    assert settings.completion() == CompletionSettings(
        enabled=False,
        gate=1,
        max_lines=2,
        minimum_characters=0,
        mid_word=True,
        context_tokens=6000,
        latency_target_ms=500,
        languages=("python",),
    )
    assert settings.indexing() == IndexSettings(
        exclude=("*.min.js",), languages=("python",), max_file_bytes=10
    )
    engine = settings.engine_settings()
    assert (engine.threads, engine.gpu_layers) == (3, 12)
    assert (engine.memory_bytes, engine.keep_states) == (900_000_000, False)
    assert engine.context_tokens >= 6000 + CompletionSettings().max_tokens


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"gate": 1.5}, "gate: expected `float` <= 1.0; its default null is used"),
        ({"gate": "0.5"}, "gate: expected `float | null`, got `str`; its default null is used"),
        ({"maxLines": 0}, "maxLines: expected `int` >= 1; its default 12 is used"),
        ({"maxLines": True}, "maxLines: expected `int`, got `bool`; its default 12 is used"),
        ({"languages": "python"}, 'languages: expected `array`, got `str`; its default ["*"] is used'),
        ({"exclude": [1]}, "exclude: expected `str`, got `int`; its default [] is used"),
        ({"engine": {"threads": -1}}, "engine.threads: expected `int` >= 1; its default null is used"),
        (
            {"engine": {"mode": "mine"}},
            """engine.mode: invalid enum value 'mine' (it knows "shared", "own"); """
            'its default "shared" is used',
        ),
        (
            {"suppressIn": ["tests"]},
            """suppressIn: invalid enum value 'tests' (it knows "comment", "string"); """
            "its default [] is used",
        ),
        ({"engine": {"thread": 1}}, "there is no setting engine.thread; did you mean threads?"),
        ({"engine": 5}, "engine must be an object; the defaults are used"),
        ({"zzz": 1}, "there is no setting zzz"),
        ([], "the settings must be an object; the defaults are used"),
        ("x", "the settings must be an object; the defaults are used"),
    ],
)
def test_mistakes_are_explained_and_leave_the_default(value: Any, problem: str) -> None:
    assert read_settings(value) == (Settings(), [problem])


def test_null_is_no_mistake() -> None:
    """VS Code sends null for what is not set."""
    nothing = dict.fromkeys(Settings().__struct_encode_fields__)
    assert read_settings(nothing) == (Settings(), [])


def test_an_overlay_keeps_what_it_does_not_mention() -> None:
    below = {"gate": 0.1, "engine": {"threads": 1, "gpuLayers": 0}}
    above = {"gate": None, "engine": {"threads": 2}, "maxLines": 3}
    assert overlay(below, above) == {
        "gate": 0.1,
        "engine": {"threads": 2, "gpuLayers": 0},
        "maxLines": 3,
    }
    assert overlay(below, None) == below
    assert overlay(None, above) == above


@pytest.mark.parametrize(
    "file",
    [
        Path(mellum_lsp.lsp.__path__[0]) / "settings.schema.json",
        REPOSITORY / "docs" / "settings.schema.json",
    ],
    ids=["package", "docs"],
)
def test_the_schema_that_ships_is_the_one_of_the_code(file: Path) -> None:
    wanted = "write them anew: python -m mellum_lsp.lsp.settings | tee docs/settings.schema.json FILE"
    assert file.read_text(encoding="utf-8") == schema(), wanted


def test_a_gate_that_is_set_outweighs_calibrated_thresholds() -> None:
    calibrated = Thresholds(line=0.3, word=0.8)
    assert Settings().completion(calibrated).thresholds == calibrated
    assert Settings().completion().thresholds is None
    own = Settings(gate=0.7).completion(calibrated)
    assert (own.gate, own.thresholds) == (0.7, None)
