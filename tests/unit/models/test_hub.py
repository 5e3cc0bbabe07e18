"""A model comes from the hub whole or not at all, and a broken transfer goes on where it was."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from fake_hub import COMMIT, FakeHub, running
from tiny_gguf import write_tiny_gguf

from mellum_lsp.models import hub as hub_module
from mellum_lsp.models.hub import HubError, RemoteFile, download, find_file
from mellum_lsp.models.store import all_pulled, origin_of

REPOSITORY = "someone/Tiny-GGUF"
MODEL = bytes(range(256)) * 400


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the library's pauses between its tries
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    files = {
        f"{REPOSITORY}/tiny.Q8_0.gguf": MODEL,
        f"{REPOSITORY}/tiny.Q4_K_M.gguf": MODEL[:1000],
        f"{REPOSITORY}/README.md": b"tiny",
    }
    with running(FakeHub(files)) as server:
        yield server


def fetch(hub: FakeHub, folder: Path, on_bytes: hub_module.OnBytes = lambda here, total: None) -> Path:
    remote = find_file(REPOSITORY, "*8_0.gguf", hub.address)
    return download(remote, folder / "fetched", on_bytes, endpoint=hub.address)


def test_the_file_is_found_by_listing_the_repository(hub: FakeHub) -> None:
    found = find_file(REPOSITORY, "*.[Qq]8_0.gguf", hub.address)
    assert (found.name, found.size, found.commit) == ("tiny.Q8_0.gguf", len(MODEL), COMMIT)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [("*.gguf", "2 files of"), ("*Q6_K.gguf", "there are:\n  tiny.Q4_K_M.gguf\n  tiny.Q8_0.gguf")],
)
def test_a_pattern_that_fits_no_or_many_files_lists_them(hub: FakeHub, pattern: str, says: str) -> None:
    with pytest.raises(HubError, match=re.escape(says)):
        find_file(REPOSITORY, pattern, hub.address)


def test_a_model_arrives_whole_with_its_progress(hub: FakeHub, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = fetch(hub, tmp_path, lambda here, total: seen.append((here, total)))
    assert path.read_bytes() == MODEL
    assert [file.name for file in path.parent.iterdir()] == ["tiny.Q8_0.gguf"]
    assert seen[0] == (0, len(MODEL)) and seen[-1] == (len(MODEL), len(MODEL))


def test_hashing_tells_how_far_it_is(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(3_000_000))
    seen: list[float] = []
    assert len(hub_module.sha256_of(tmp_path / "large", seen.append)) == 64
    assert len(seen) == 3 and seen == sorted(seen) and seen[-1] == 1.0


def test_what_is_here_is_not_fetched_again(hub: FakeHub, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    fetch(hub, tmp_path)
    assert len(hub.ranges) == 1


def test_redirects_are_followed(hub: FakeHub, tmp_path: Path) -> None:
    hub.redirect = True
    assert fetch(hub, tmp_path).read_bytes() == MODEL
    assert hub.requests[-1].startswith("/cdn/")


def test_another_host_never_sees_the_token(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hubs send large files from elsewhere; whoever that is has no business with the user's token."""
    hub.redirect, hub.token = True, "hf_right"
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert fetch(hub, tmp_path).read_bytes() == MODEL
    elsewhere = [
        token for path, token in zip(hub.requests, hub.authorizations, strict=True) if "/cdn/" in path
    ]
    assert elsewhere == [""]


def test_a_transfer_that_broke_off_goes_on_where_it_was(hub: FakeHub, tmp_path: Path) -> None:
    hub.break_after = [30_000]
    assert fetch(hub, tmp_path).read_bytes() == MODEL
    assert hub.ranges == ["", "bytes=30000-"]


def test_it_also_goes_on_in_another_process(hub: FakeHub, tmp_path: Path) -> None:
    """What has arrived outlives the command that gave up."""
    hub.break_after = [40_000, *[0] * 20]
    with pytest.raises(HubError, match="goes on where it was"):
        fetch(hub, tmp_path)
    assert not list(tmp_path.rglob("*.gguf"))
    hub.break_after, hub.ranges = [], []
    assert fetch(hub, tmp_path).read_bytes() == MODEL
    assert hub.ranges == ["bytes=40000-"]


def test_wrong_bytes_are_removed_and_said(hub: FakeHub, tmp_path: Path) -> None:
    hub.wrong_hash = True
    with pytest.raises(HubError, match="is not what someone/Tiny-GGUF announced"):
        fetch(hub, tmp_path)
    assert list((tmp_path / "fetched").iterdir()) == []


def test_a_file_without_a_hash_is_not_fetched(hub: FakeHub, tmp_path: Path) -> None:
    hub.without_hash = True
    with pytest.raises(HubError, match="could not be verified"):
        fetch(hub, tmp_path)
    assert hub.ranges == []


def test_an_unknown_repository_is_named(hub: FakeHub) -> None:
    with pytest.raises(HubError, match="no repository someone/Other"):
        find_file("someone/Other", "*.gguf", hub.address)


def test_a_private_repository_wants_a_token(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = "hf_right"
    with pytest.raises(HubError, match="HF_TOKEN"):
        find_file(REPOSITORY, "*8_0.gguf", hub.address)
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert find_file(REPOSITORY, "*8_0.gguf", hub.address).size == len(MODEL)


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (429, {"Retry-After": "7"}, "fewer requests.*hint: pull again in 7 seconds"),
        (403, {"X-Error-Code": "GatedRepo"}, "accept its terms"),
        (503, {}, "HTTP 503"),
    ],
)
def test_the_hubs_refusals_are_explained(
    hub: FakeHub, tmp_path: Path, status: int, headers: dict[str, str], says: str
) -> None:
    hub.status, hub.headers = status, headers
    with pytest.raises(HubError, match=f"(?s){says}"):
        fetch(hub, tmp_path)


def test_a_hub_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="cannot be reached"):
        find_file(REPOSITORY, "*.gguf", "http://127.0.0.1:9")


def test_a_full_disk_is_known_before_the_transfer(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(NamedTuple):
        total: int = 10
        used: int = 10
        free: int = 0

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Full())
    with pytest.raises(HubError, match="make room"):
        fetch(hub, tmp_path)
    assert hub.ranges == []


def test_a_larger_leftover_does_not_stop_a_pull(hub: FakeHub, tmp_path: Path) -> None:
    remote = find_file(REPOSITORY, "*8_0.gguf", hub.address)
    (tmp_path / f"{remote.sha256[:16]}.part").write_bytes(MODEL + b"more")
    assert download(remote, tmp_path, endpoint=hub.address).read_bytes() == MODEL


def test_a_commit_that_is_gone_is_told(hub: FakeHub, tmp_path: Path) -> None:
    remote = RemoteFile(REPOSITORY, "f" * 40, "tiny.Q8_0.gguf", len(MODEL), "0" * 64)
    with pytest.raises(HubError, match="is no longer in"):
        download(remote, tmp_path, endpoint=hub.address)


# ---- the command, as a user has it


def pull(hub: FakeHub, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "HF_ENDPOINT": hub.address, **environment}
    command = [sys.executable, "-m", "mellum_lsp", "models", "pull", *arguments]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)


def test_the_command_pulls_a_repository_that_serves_by_its_name(hub: FakeHub, tmp_path: Path) -> None:
    model = tmp_path / "made.gguf"
    write_tiny_gguf(model)
    hub.files[f"{REPOSITORY}/tiny.Q8_0.gguf"] = model.read_bytes()
    done = pull(hub, REPOSITORY, "--file", "*8_0.gguf", "--json")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^100%  0\.00 of 0\.00 GB$", done.stderr, re.MULTILINE), "programs can follow it"
    assert set(all_pulled()) == {"tiny-gguf"}
    origin = origin_of("tiny-gguf")
    assert origin and origin.repository == REPOSITORY and origin.commit == COMMIT
    again = subprocess.run(
        [sys.executable, "-m", "mellum_lsp", "models", "verify", "tiny-gguf"], capture_output=True, text=True
    )
    assert "the file that the hub announced" in again.stdout, again.stderr


def test_what_is_no_model_is_said_to_be_none(hub: FakeHub) -> None:
    done = pull(hub, REPOSITORY, "--file", "*8_0.gguf")
    assert done.returncode == 1
    assert "is not a model that can be served" in done.stderr
    assert all_pulled() == {}


def test_a_proxy_is_used(hub: FakeHub) -> None:
    """The hub's own name leads nowhere from here: only the proxy knows it."""
    done = pull(hub, "someone/Other", HF_ENDPOINT="http://hub.invalid", HTTP_PROXY=hub.address, NO_PROXY="")
    assert "no repository someone/Other" in done.stderr
    assert hub.hosts == ["hub.invalid"]


def test_a_mirror_is_used_and_named_where_it_fails(hub: FakeHub) -> None:
    hub.status = 404
    assert pull(hub, REPOSITORY).returncode == 1
    assert hub.requests == [f"/api/models/{REPOSITORY}"]
    done = pull(hub, REPOSITORY, HF_ENDPOINT="http://127.0.0.1:9")
    assert "http://127.0.0.1:9 cannot be reached" in done.stderr and "HF_ENDPOINT" in done.stderr


def test_a_wrong_token_is_told_by_the_command(hub: FakeHub) -> None:
    hub.token = "hf_right"
    done = pull(hub, REPOSITORY, HF_TOKEN="hf_wrong")
    assert done.returncode == 1 and "HF_TOKEN" in done.stderr


def test_offline_mode_is_clear(hub: FakeHub) -> None:
    done = pull(hub, "mellum-4b-base", HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert "offline mode is on" in done.stderr and "hint:" in done.stderr
    assert hub.requests == []


def test_the_catalogues_repository_is_asked(hub: FakeHub) -> None:
    done = pull(hub, "mellum-4b-base")
    assert done.returncode == 1
    assert hub.requests == ["/api/models/JetBrains/Mellum-4b-base-gguf"]


def test_an_unknown_name_is_wrong_usage(hub: FakeHub) -> None:
    assert pull(hub, "mellum-9b").returncode == 2
