"""The models known by name, read from `models/catalog.toml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from mellum_lsp.models.files import shipped_file


class CatalogModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model that can be named. ``file`` is a name or a pattern within ``repository`` (of the hub).

    ``limits`` says what the licence does not allow, empty for permissive ones. Sizes in 10^9 bytes, with
    their source; None where nothing is known for sure. ``quantisation`` is how the file's weights are stored,
    "" where that is not known. ``layers``, ``width`` (of the embedding) and ``vocabulary`` are the model's
    shape; ``tied`` where the embedding is the output's matrix too. Of models of one size the ``preferred``
    one is recommended.
    """

    name: str
    title: str
    file: str
    dialect: str
    licence: str
    context_tokens: int
    parameters_billion: float
    active_parameters_billion: float | None = None
    repository: str = ""
    embedded: bool = False
    limits: str = ""
    size_gb: float | None = None
    size_source: str = ""
    quantisation: str = ""
    layers: int = 0
    width: int = 0
    vocabulary: int = 0
    tied: bool = True
    preferred: bool = False
    kv_kib_per_token: float | None = None

    def __post_init__(self) -> None:
        if self.embedded == bool(self.repository):
            raise ValueError(f"{self.name}: a model is either embedded or has a repository")
        if (self.size_gb is None) == bool(self.size_source):
            raise ValueError(f"{self.name}: a size needs its source, and a source its size")

    @property
    def kv_bytes_per_token(self) -> int | None:
        """Bytes of KV cache for one token of context."""
        return None if self.kv_kib_per_token is None else round(self.kv_kib_per_token * 1024)

    @property
    def block_weights(self) -> int:
        """Weights that every token of a prompt passes: the layers', of a mixture of experts those in use."""
        active = self.active_parameters_billion or self.parameters_billion
        return round(active * 1e9) - self._embedding * (1 if self.tied else 2)

    @property
    def output_weights(self) -> int:
        """Weights that a decoded token passes besides."""
        return self._embedding

    @property
    def _embedding(self) -> int:
        return self.width * self.vocabulary


class _CatalogFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: list[CatalogModel]


def read_catalog(path: Path) -> tuple[CatalogModel, ...]:
    """The models of a catalog file, in its order; raises `ValueError` that names the file and the field."""
    try:
        models = msgspec.toml.decode(path.read_bytes(), type=_CatalogFile).model
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}: {error}") from error
    names = [model.name for model in models]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{path}: more than one model is called {', '.join(twice)}")
    return tuple(models)


@cache
def catalog() -> tuple[CatalogModel, ...]:
    """The models that this version of the project knows by name."""
    return read_catalog(shipped_file("catalog.toml"))


def find(name: str) -> CatalogModel | None:
    """The model called ``name`` (capitals do not matter), None where the catalog has none."""
    return next((model for model in catalog() if model.name == name.lower()), None)
