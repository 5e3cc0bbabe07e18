"""The configurations that nobody can drive here are at least well formed, and know what is served."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mellum_lsp.workspace.languages import LANGUAGES, find_language

CONFIGS = Path(__file__).resolve().parents[2] / "editor-configs"
PAGES = sorted(CONFIGS.glob("*/README.md"))


def test_the_jetbrains_template_names_the_files_of_all_languages() -> None:
    template = json.loads((CONFIGS / "jetbrains" / "lsp4ij-template" / "template.json").read_text("utf-8"))
    named = {
        mapping["languageId"]: mapping["fileType"]["patterns"] for mapping in template["fileTypeMappings"]
    }
    assert list(named) == [language.id for language in LANGUAGES]
    for language, patterns in named.items():
        found = {known.id for pattern in patterns if (known := find_language(pattern.replace("*", "a")))}
        assert found == {language}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_every_json_example_is_json(page: Path) -> None:
    for example in re.findall(r"```jsonc?\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        json.loads(example)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_every_page_says_what_was_tested(page: Path) -> None:
    text = page.read_text("utf-8")
    assert "untested" in text or "## What was tested" in text or "Tested" in text


def test_every_editor_is_in_the_table() -> None:
    table = (CONFIGS / "README.md").read_text("utf-8")
    for page in PAGES:
        assert f"({page.parent.name}/README.md" in table, page
