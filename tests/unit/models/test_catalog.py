"""The catalog that ships is complete and honest, and a broken one is refused with its place."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from mellum_lsp.models.catalog import CatalogModel, catalog, find, read_catalog
from mellum_lsp.prompt.dialects import NAMES

ENTRY = """
[[model]]
name = "one"
title = "One"
repository = "somebody/one"
file = "*.gguf"
dialect = "mellum"
licence = "Apache-2.0"
parameters_billion = 1.0
context_tokens = 8192
"""


@pytest.mark.parametrize("model", catalog(), ids=lambda model: model.name)
class TestEveryModel:
    def test_speaks_a_dialect_that_we_know(self, model: CatalogModel) -> None:
        assert model.dialect in NAMES

    def test_has_a_name_that_no_path_can_be_taken_for(self, model: CatalogModel) -> None:
        assert model.name == model.name.lower()
        assert not set(model.name) & set("/\\~ ") and not model.name.endswith(".gguf")

    def test_says_what_an_unfree_licence_forbids(self, model: CatalogModel) -> None:
        assert bool(model.limits) == (model.licence != "Apache-2.0")

    def test_needs_no_address(self, model: CatalogModel) -> None:
        assert "://" not in model.repository + model.file
        assert model.embedded or model.repository.count("/") == 1


def test_the_embedded_model_is_in_it_once() -> None:
    assert [model.name for model in catalog() if model.embedded] == ["nano-135m"]


def test_the_one_file_name_of_mellum_that_is_known_matches_its_pattern() -> None:
    model = find("mellum-4b-dpo-all")
    assert model and fnmatchcase("mellum-4b-dpo-all.Q8_0.gguf", model.file)
    assert not fnmatchcase("mellum-4b-dpo-all.Q4_K_M.gguf", model.file)


def test_the_kv_cache_of_mellum_4b_is_that_of_24_full_heads() -> None:
    model = find("Mellum-4B-Base")
    assert model and model.kv_bytes_per_token == 30 * 24 * 128 * 2 * 2


def test_an_unknown_name_is_found_nowhere() -> None:
    assert find("gpt-5") is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (ENTRY.replace("context_tokens = 8192", ""), "context_tokens"),
        (ENTRY + 'colour = "blue"', "colour"),
        (ENTRY + "embedded = true", "either embedded or has a repository"),
        (ENTRY + "size_gb = 4.3", "a size needs its source"),
        (ENTRY + ENTRY, "more than one model is called one"),
        ("[[model", "catalog.toml"),
    ],
)
def test_a_broken_catalog_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint) as raised:
        read_catalog(path)
    assert str(path) in str(raised.value)
