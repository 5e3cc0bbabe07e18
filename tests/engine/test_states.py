"""What was evaluated outlives its sequence, and the engine: exactly, privately, and within bounds."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from asking import ONE_THREAD, ask, decode, decode_anew, fim, read
from tiny_gguf import write_tiny_gguf
from tiny_mamba import write_tiny_mamba

from mellum_lsp.engine import child, state_files
from mellum_lsp.engine.abort import AbortFlag
from mellum_lsp.engine.decoder import Decoder
from mellum_lsp.engine.llama import LlamaEngine
from mellum_lsp.engine.loading import load
from mellum_lsp.engine.settings import EngineSettings
from mellum_lsp.engine.state_files import StateFiles

TEXT = "XYZ123 = 45\n" * 40


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def begin(model: Path, cache: Path, settings: EngineSettings = ONE_THREAD) -> Decoder:
    """An engine's decoder; evaluating is said to be slow, so that states pay though the model is tiny."""
    decoder, _ = load(model, settings, AbortFlag(), lambda fraction: None, cache)
    decoder.speeds.observe_prefill = lambda tokens, seconds: None
    decoder.speeds.prefill = 100.0
    return decoder


def files(cache: Path) -> list[Path]:
    return sorted((cache / "states").glob("*"))


class TestParking:
    def test_more_documents_than_sequences_stay_evaluated_and_answer_alike(
        self, tiny_model: Path, cache: Path
    ) -> None:
        alone = {name: decode(begin(tiny_model, cache), fim(name + TEXT), 12) for name in "UVWXYZ"}
        decoder = begin(tiny_model, cache, replace(ONE_THREAD, sequences=2))
        for round_ in range(3):
            for name in "UVWXYZ":
                result = decode_anew(decoder, fim(name + TEXT), 12, document=name)
                assert result.ids == alone[name].ids
                assert (result.stats.evaluated_tokens == 1) == (round_ > 0)

    def test_a_recurrent_state_is_parked_whole(self, tmp_path: Path, cache: Path) -> None:
        model = write_tiny_mamba(tmp_path / "mamba.gguf")
        decoder = begin(model, cache, replace(ONE_THREAD, sequences=1))
        for name in "XYZ":
            decode(decoder, fim(name + TEXT), 0, document=name)
        result = decode(decoder, (*fim("X" + TEXT), *fim("more")), 12, document="X")
        assert result.stats.reused_tokens > len(TEXT)
        expected = decode(begin(model, cache), (*fim("X" + TEXT), *fim("more")), 12)
        assert result.ids == expected.ids


class TestRestart:
    def test_the_next_engine_begins_warm_and_answers_alike(self, tiny_model: Path, cache: Path) -> None:
        first = begin(tiny_model, cache)
        before = decode(first, fim(TEXT), 12, document="d")
        first.slots.write_all(seconds=10)
        second = begin(tiny_model, cache)
        after = decode(second, fim(TEXT), 12, document="d")
        assert after.stats.evaluated_tokens == 1
        assert after.ids == before.ids

    def test_a_prompt_that_goes_on_differently_keeps_what_is_common(
        self, tiny_model: Path, cache: Path
    ) -> None:
        first = begin(tiny_model, cache)
        decode(first, fim(TEXT), 0)
        first.slots.write_all(seconds=10)
        second = begin(tiny_model, cache)
        result = decode(second, fim(TEXT + "Q"), 12)
        assert result.stats.evaluated_tokens == 2
        assert result.ids == decode(begin(tiny_model, cache / "other"), fim(TEXT + "Q"), 12).ids

    def test_it_is_written_in_a_pause_and_only_once(self, tiny_model: Path, cache: Path) -> None:
        decoder = begin(tiny_model, cache)
        assert not decoder.slots.has_unwritten()
        for typed in ("", "Q", "QR"):
            decode(decoder, fim(TEXT + typed), 2)
            assert decoder.slots.has_unwritten()
            decoder.slots.write_one(hurried=True)
            assert not decoder.slots.has_unwritten()
        decoder.slots.write_all(seconds=10)
        assert len(files(cache)) == 1

    def test_nobody_else_may_read_it(self, tiny_model: Path, cache: Path) -> None:
        decoder = begin(tiny_model, cache)
        decode(decoder, fim(TEXT), 2)
        decoder.slots.write_all(seconds=10)
        (file,) = files(cache)
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700

    def test_who_does_not_want_it_gets_none(self, tiny_model: Path, cache: Path) -> None:
        decoder = begin(tiny_model, cache, replace(ONE_THREAD, keep_states=False))
        decode(decoder, fim(TEXT), 2)
        assert not decoder.slots.has_unwritten()
        decoder.slots.write_all(seconds=10)
        assert files(cache) == []

    def test_where_evaluating_is_faster_nothing_is_written_or_read(
        self, tiny_model: Path, cache: Path
    ) -> None:
        decoder = begin(tiny_model, cache)
        decode(decoder, fim(TEXT), 2)
        decoder.speeds.prefill = 1e12
        decoder.slots.write_all(seconds=10)
        assert files(cache) == []
        decoder.speeds.prefill = 100.0
        decode(decoder, fim(TEXT), 2)
        decoder.slots.write_all(seconds=10)
        second = begin(tiny_model, cache)
        second.speeds.prefill = 1e12
        assert decode(second, fim(TEXT), 2).stats.reused_tokens == 0

    def test_another_model_has_no_use_for_it(self, tmp_path: Path, tiny_model: Path, cache: Path) -> None:
        """Even at the same place and of the same size."""
        model = tmp_path / "m.gguf"
        shutil.copy(tiny_model, model)
        first = begin(model, cache)
        decode(first, fim(TEXT), 2)
        first.slots.write_all(seconds=10)
        write_tiny_gguf(model, seed=2)
        assert decode(begin(model, cache), fim(TEXT), 2).stats.reused_tokens == 0
        assert decode(begin(tiny_model, cache), fim(TEXT), 2).stats.evaluated_tokens == 1

    @pytest.mark.parametrize("at", [0, 3, 40, 500, -1])
    def test_a_damaged_file_is_removed_and_the_prompt_evaluated(
        self, tiny_model: Path, cache: Path, at: int
    ) -> None:
        first = begin(tiny_model, cache)
        expected = decode(first, fim(TEXT), 12)
        first.slots.write_all(seconds=10)
        (file,) = files(cache)
        content = bytearray(file.read_bytes())
        content[at] ^= 0xFF
        file.write_bytes(content)
        second = begin(tiny_model, cache)
        result = decode(second, fim(TEXT), 12)
        assert (result.ids, result.stats.reused_tokens) == (expected.ids, 0)
        assert files(cache) == []

    async def test_an_engine_that_ends_leaves_it_for_the_next(
        self, tiny_model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In real processes; a state that the engine finds worth it on a model this fast."""
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        folder = child.cache_folder() / "states"
        reused = []
        for _ in range(2):
            engine = LlamaEngine(tiny_model, ONE_THREAD)
            reused.append((await read(ask(engine, fim(TEXT * 4), 2))).stats.reused_tokens)
            while not list(folder.glob("*.kv")):  # it is written in a pause
                await asyncio.sleep(0.05)
            await engine.close()
        assert reused[0] == 0 < reused[1]


class TestFiles:
    TOKENS = np.arange(100, dtype=np.int32)

    def write(self, found: StateFiles, tokens: np.ndarray, size: int = 1000) -> None:
        found.write(tokens, np.full(size, 7, np.uint8))
        found.finish(10)

    def test_what_was_written_is_read(self, tmp_path: Path) -> None:
        found = StateFiles(tmp_path, "m")
        self.write(found, self.TOKENS)
        (known,) = StateFiles(tmp_path, "m").known()
        assert (known.tokens.tolist(), known.size) == (self.TOKENS.tolist(), 1000)
        data = found.read(known.path, self.TOKENS)
        assert data is not None
        assert data.tolist() == [7] * 1000
        assert StateFiles(tmp_path, "other").known() == []

    def test_a_longer_state_takes_the_place_of_its_beginning(self, tmp_path: Path) -> None:
        found = StateFiles(tmp_path, "m")
        for count in (40, 100, 60):
            self.write(found, self.TOKENS[:count])
        assert sorted(len(known.tokens) for known in found.known()) == [60, 100]

    def test_they_take_no_more_room_than_allowed_and_the_oldest_go(self, tmp_path: Path) -> None:
        for seconds, name in ((300, "a"), (200, "b")):
            found = StateFiles(tmp_path, name, capacity_bytes=4000)
            self.write(found, self.TOKENS)
            (known,) = found.known()
            os.utime(known.path, (0, time.time() - seconds))
        assert StateFiles(tmp_path, "a").read(next(tmp_path.glob("a-*")), self.TOKENS) is not None  # used
        self.write(StateFiles(tmp_path, "c", capacity_bytes=4000), self.TOKENS)
        assert {path.name[0] for path in tmp_path.iterdir()} == {"a", "c"}

    def test_what_nobody_has_used_for_long_goes(self, tmp_path: Path) -> None:
        self.write(StateFiles(tmp_path, "a"), self.TOKENS)
        os.utime(next(tmp_path.glob("a-*")), (0, time.time() - 30 * 86400))
        self.write(StateFiles(tmp_path, "b"), self.TOKENS)
        assert {path.name[0] for path in tmp_path.iterdir()} == {"b"}

    def test_one_larger_than_that_is_not_written(self, tmp_path: Path) -> None:
        self.write(StateFiles(tmp_path, "m", capacity_bytes=999), self.TOKENS)
        assert list(tmp_path.iterdir()) == []

    def test_a_disk_that_is_nearly_full_stays_as_it_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nearly_full = type(shutil.disk_usage(tmp_path))(10**12, 10**12 - 10**10, 10**10)
        monkeypatch.setattr(state_files.shutil, "disk_usage", lambda _folder: nearly_full)
        self.write(StateFiles(tmp_path, "m"), self.TOKENS)
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_had_is_no_trouble(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        found = StateFiles(tmp_path / "file" / "states", "m")
        self.write(found, self.TOKENS)
        assert found.known() == []

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{}\n",
            b"[]\n",
            b'{"tokens": 2, "bytes": 9}\n',
            b"\xff" * 5000,
            b'{"tokens": -1, "bytes": 1}\n',
        ],
    )
    def test_what_is_no_state_is_removed(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "m-0.kv").write_bytes(content)
        assert StateFiles(tmp_path, "m").known() == []
        assert list(tmp_path.iterdir()) == []
