"""A file that cannot be served is recognised by its header and explained in a sentence with a hint."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from tiny_gguf import MARKERS

from mellum_lsp.engine.gguf import check_is_model, read_header
from mellum_lsp.engine.interface import ModelBroken, ModelError, ModelMissing, ModelUnsupported


def test_a_header_tells_architecture_metadata_and_markers(tiny_model: Path) -> None:
    header = read_header(tiny_model)
    check_is_model(header)
    assert header.architecture == "llama"
    assert header.metadata["general.name"] == "tiny"
    assert header.metadata["llama.context_length"] == "4096"
    assert header.metadata["tokenizer.ggml.add_bos_token"] == "false"
    assert header.markers == set(MARKERS)


def test_a_missing_file(tmp_path: Path) -> None:
    message = refusal(ModelMissing, tmp_path / "none.gguf")
    assert "none.gguf: there is no such model file" in message


def test_a_directory(tmp_path: Path) -> None:
    assert "is a directory" in refusal(ModelMissing, tmp_path)


def test_an_empty_file(tmp_path: Path) -> None:
    assert "is empty" in refusal(ModelBroken, write(tmp_path, b""))


def test_a_web_page_in_the_place_of_a_model(tmp_path: Path) -> None:
    assert "not a GGUF" in refusal(ModelBroken, write(tmp_path, b"<!DOCTYPE html><html>" * 100))


@pytest.mark.parametrize("kept", [5, 23, 24, 40, 200, 3000])
def test_a_file_that_ends_inside_its_header(tmp_path: Path, tiny_model: Path, kept: int) -> None:
    assert "inside its header" in refusal(ModelBroken, write(tmp_path, tiny_model.read_bytes()[:kept]))


@pytest.mark.parametrize("missing", [1, 1000, 400_000])
def test_a_file_that_ends_inside_its_tensors(tmp_path: Path, tiny_model: Path, missing: int) -> None:
    whole = tiny_model.read_bytes()
    message = refusal(ModelBroken, write(tmp_path, whole[:-missing]))
    assert f"need {len(whole):,} bytes, it has {len(whole) - missing:,}" in message
    assert "download" in message


def test_a_header_full_of_garbage(tmp_path: Path) -> None:
    garbage = b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60) + bytes(range(256)) * 40
    assert "inside its header" in refusal(ModelBroken, write(tmp_path, garbage))


@pytest.mark.parametrize(("version", "named"), [(1, "version 1"), (9, "version 9"), (3 << 24, "byte order")])
def test_a_version_that_llama_cpp_does_not_read(tmp_path: Path, version: int, named: str) -> None:
    data = b"GGUF" + struct.pack("<IQQ", version, 0, 0)
    assert named in refusal(ModelUnsupported, write(tmp_path, data))


def test_an_adapter_is_not_a_model(tmp_path: Path) -> None:
    data = (
        b"GGUF"
        + struct.pack("<IQQ", 3, 0, 1)
        + string("general.type")
        + struct.pack("<I", 8)
        + string("adapter")
    )
    assert "'adapter', not a model" in refusal(ModelUnsupported, write(tmp_path, data))


def test_a_vocabulary_without_weights_is_not_a_model(tmp_path: Path) -> None:
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, 0)
    assert "no weights" in refusal(ModelUnsupported, write(tmp_path, data))


def refusal(kind: type[ModelError], path: Path) -> str:
    with pytest.raises(kind) as caught:
        check_is_model(read_header(path))
    message = str(caught.value)
    assert str(path) in message
    assert "\nhint: " in message
    return message


def write(folder: Path, data: bytes) -> Path:
    path = folder / "model.gguf"
    path.write_bytes(data)
    return path


def string(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()
