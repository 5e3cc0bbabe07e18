"""After any sequence of events on disk and in the editor, the index equals one built from scratch."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mellum_lsp.retrieval.live import LiveIndex

from .living import PATIENCE_SECONDS, eventually, from_scratch, running, write

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

PATHS = st.sampled_from(["a.py", "b.py", "pkg/a.py", "pkg/b.ts", "pkg/sub/c.py", "out/d.py", ".env", "x.png"])
FOLDERS = st.sampled_from(["pkg", "pkg/sub", "out", "moved", "a.py"])  # one where a file may be
TEXTS = st.sampled_from(
    [
        "one = 1\n",
        "def two():\n    return 2\n",
        "",
        "three = '''\n",
        "é💡 = 4\r\n",
        "# Code generated. DO NOT EDIT.\n",
    ]
)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("save"), PATHS, TEXTS),
        st.tuples(st.just("save atomically"), PATHS, TEXTS),
        st.tuples(st.just("delete"), PATHS, st.just("")),
        st.tuples(st.just("rename"), PATHS, PATHS),
        st.tuples(st.just("move folder"), FOLDERS, FOLDERS),
        st.tuples(st.just("delete folder"), FOLDERS, st.just("")),
        st.tuples(st.just("move folder away"), FOLDERS, st.just("")),
        st.tuples(st.just("restore folder"), FOLDERS, st.just("")),
        st.tuples(st.just("open"), PATHS, TEXTS),
        st.tuples(st.just("close"), PATHS, st.just("")),
        st.tuples(
            st.just("ignore"), st.sampled_from(["out/", "*.ts", "pkg/sub/\n!c.py", "b.*"]), st.just("")
        ),
        st.tuples(st.just("settle"), st.just(""), st.just("")),
    ),
    max_size=25,
)


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, LiveIndex]]:
    root = tmp_path_factory.mktemp("living") / "root"
    root.mkdir()
    with running(root) as index:
        yield root, index


def away(root: Path, folder: str) -> Path:
    """Outside of the workspace folder."""
    return root.with_name(f"away-{folder.replace('/', '-')}")


def happen(event: str, root: Path, first: str, second: str, index: LiveIndex, opened: dict[str, str]) -> None:
    path = root / first
    try:
        if event == "save":
            write(path, second)
        elif event == "save atomically":
            write(path.with_name(path.name + "~"), second).replace(path)
        elif event == "delete":
            path.unlink()
        elif event in ("rename", "move folder"):
            (root / second).parent.mkdir(parents=True, exist_ok=True)
            path.rename(root / second)
        elif event == "delete folder":
            shutil.rmtree(path)
        elif event == "move folder away":
            path.rename(away(root, first))
        elif event == "restore folder":
            away(root, first).rename(path)
        elif event == "open":
            opened[first] = second.replace("\r\n", "\n")
            index.document_opened_or_changed(path, opened[first])
        elif event == "close":
            opened.pop(first, None)
            index.document_closed(path)
        elif event == "ignore":
            write(root / ".gitignore", first + "\n")
        elif event == "settle":
            index.wait_until_ready(PATIENCE_SECONDS)
    except OSError:
        pass  # not there, or a folder in the way: then this event did not happen


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS)
def test_the_index_equals_one_built_from_scratch(
    living: tuple[Path, LiveIndex], events: list[tuple[str, str, str]]
) -> None:
    root, index = living
    opened: dict[str, str] = {}
    for event, first, second in events:
        happen(event, root, first, second, index, opened)
    expected = from_scratch(root, opened)
    same = eventually(lambda: index.all_chunks() == expected, 10)
    assert same, (events, index.all_chunks(), expected)
    for path in opened:
        index.document_closed(root / path)
    for path in (*root.iterdir(), *root.parent.glob("away-*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert eventually(lambda: index.all_chunks() == [], 10), ("cleared", events, index.all_chunks())
