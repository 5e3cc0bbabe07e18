"""Where servers and their shared engine meet: folders that are private, names that differ, locks that die."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mellum_lsp.engine import endpoint, rendezvous
from mellum_lsp.engine.locks import FileLock
from mellum_lsp.engine.rendezvous import Place, place_for
from mellum_lsp.engine.settings import EngineSettings

SETTINGS = EngineSettings()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folders; the paths of all tests here are taken for short enough."""
    for name in ("RUNTIME_DIR", "CACHE_HOME", "STATE_HOME"):
        monkeypatch.setenv(f"XDG_{name}", str(tmp_path / name.lower()))
    monkeypatch.setattr(rendezvous, "LONGEST_PATH", 1000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF")
    return path


class TestPlace:
    def test_it_lies_in_a_private_folder_of_the_runtime_folder(self, home: Path, model: Path) -> None:
        place = place_for(model, SETTINGS)
        assert place.address.parent == home / "runtime_dir" / "mellum-lsp"
        assert stat.S_IMODE(place.address.parent.stat().st_mode) == 0o700
        assert place.lock.parent == place.address.parent

    def test_the_same_engine_is_sought_at_the_same_place(self, home: Path, model: Path) -> None:
        link = home / "link.gguf"
        link.symlink_to(model)
        assert place_for(link, EngineSettings()) == place_for(model, SETTINGS)

    def test_everything_that_decides_what_an_engine_is_changes_the_place(
        self, home: Path, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        places = [place_for(model, SETTINGS), place_for(model, EngineSettings(threads=7))]
        os.utime(model, (0, 0))
        places.append(place_for(model, SETTINGS))
        model.write_bytes(b"GGUF2")
        os.utime(model, (0, 0))
        places.append(place_for(model, SETTINGS))
        for variable in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
            monkeypatch.setenv(variable, str(home / "elsewhere"))
            places.append(place_for(model, SETTINGS))
        monkeypatch.setattr(rendezvous, "_code", lambda: ["another version"])
        places.append(place_for(model, SETTINGS))
        assert len({place.address.name for place in places}) == len(places)

    @pytest.mark.parametrize("runtime", [None, "", "relative/folder", "/proc/nowhere"])
    def test_without_a_usable_runtime_folder_it_lies_elsewhere(
        self, home: Path, model: Path, monkeypatch: pytest.MonkeyPatch, runtime: str | None
    ) -> None:
        if runtime is None:
            monkeypatch.delenv("XDG_RUNTIME_DIR")
        else:
            monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        folder = place_for(model, SETTINGS).address.parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder.stat().st_uid == os.getuid()

    def test_a_path_too_long_for_a_socket_is_not_used(
        self, home: Path, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rendezvous, "LONGEST_PATH", 103)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / ("x" * 100)))
        address = place_for(model, SETTINGS).address
        assert len(os.fsencode(address)) <= 103

    def test_servers_with_other_runtime_folders_that_are_too_long_do_not_meet(
        self, home: Path, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rendezvous, "LONGEST_PATH", 103)
        places = set()
        for letter in "xy":
            monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / (letter * 100)))
            places.add(place_for(model, SETTINGS).address)
        assert len(places) == 2

    def test_a_folder_that_others_could_have_made_is_not_used(self, home: Path, model: Path) -> None:
        writable = home / "runtime_dir" / "mellum-lsp"
        writable.mkdir(parents=True)
        writable.chmod(0o777)
        assert place_for(model, SETTINGS).address.parent != writable

    def test_a_link_is_not_followed(self, home: Path, model: Path) -> None:
        (home / "elsewhere").mkdir(mode=0o700)
        (home / "runtime_dir").mkdir()
        (home / "runtime_dir" / "mellum-lsp").symlink_to(home / "elsewhere")
        assert place_for(model, SETTINGS).address.parent != home / "runtime_dir" / "mellum-lsp"

    def test_a_folder_that_others_could_replace_is_not_used(self, home: Path, model: Path) -> None:
        (home / "runtime_dir").mkdir()
        (home / "runtime_dir").chmod(0o777)
        assert place_for(model, SETTINGS).address.parent.parent != home / "runtime_dir"

    def test_where_nothing_is_private_the_reasons_are_told(
        self, home: Path, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rendezvous, "LONGEST_PATH", 3)
        with pytest.raises(OSError, match="too long for a socket"):
            place_for(model, SETTINGS)


class TestLock:
    def test_one_process_has_it_until_it_gives_it_back(self, tmp_path: Path) -> None:
        path = tmp_path / "a.lock"
        lock = FileLock.acquire(path)
        assert lock
        assert FileLock.acquire(path) is None
        lock.release()
        assert not path.exists()
        again = FileLock.acquire(path)
        assert again
        again.release()

    def test_it_dies_with_its_holder(self, tmp_path: Path) -> None:
        path = tmp_path / "a.lock"
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
        )
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        assert FileLock.acquire(path) is None
        holder.kill()
        holder.communicate()
        lock = FileLock.acquire(path)
        assert lock
        lock.release()

    def test_a_file_that_was_removed_meanwhile_is_worth_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "a.lock"
        first = FileLock.acquire(path)
        assert first
        path.unlink()
        second = FileLock.acquire(path)
        assert second
        first.release()
        assert path.exists(), "the second one's"
        second.release()


HOLDER = """
import sys
from pathlib import Path
from mellum_lsp.engine.locks import FileLock
lock = FileLock.acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("suffix", [endpoint.UNIX, endpoint.PORT])
class TestEndpoint:
    async def test_nobody_listens_before_it_is_opened_nor_after_it_is_closed(
        self, tmp_path: Path, suffix: str
    ) -> None:
        address = tmp_path / f"a{suffix}"
        with pytest.raises(OSError):
            await endpoint.connect(address)
        listening = endpoint.Endpoint(address)
        _, writer, secret = await endpoint.connect(address)
        assert secret == listening.secret
        writer.close()
        listening.close()
        assert not address.exists()
        with pytest.raises(OSError):
            await endpoint.connect(address)

    async def test_it_replaces_what_a_killed_engine_left_and_leaves_its_successor_alone(
        self, tmp_path: Path, suffix: str
    ) -> None:
        address = tmp_path / f"a{suffix}"
        killed = endpoint.Endpoint(address)
        successor = endpoint.Endpoint(address)
        killed.close()
        _, writer, _ = await endpoint.connect(address)
        writer.close()
        await asyncio.sleep(0)
        successor.close()


async def test_a_broken_port_file_means_that_nobody_listens(tmp_path: Path) -> None:
    address = tmp_path / f"a{endpoint.PORT}"
    for content in ("", "[]", '{"port": "x"}', '{"port": 1}'):
        address.write_text(content)
        with pytest.raises(OSError):
            await endpoint.connect(address)


def test_the_lock_lies_beside_the_address() -> None:
    assert Place(Path("/run/engine-1.sock")).lock == Path("/run/engine-1.lock")
