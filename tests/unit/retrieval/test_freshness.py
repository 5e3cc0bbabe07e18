"""Whoever holds chunks learns that the index has changed, and which of them are no longer true."""

from __future__ import annotations

import threading
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from mellum_lsp.domain import Caret, Chunk
from mellum_lsp.retrieval.project import ProjectIndex

from .living import PATIENCE_SECONDS, eventually, running, write

LOAD = "def load(path):\n    return open(path)\n"
SAVE = "def save(path, text):\n    path.write_text(text)\n"
SPACE = "\n" * 3 + "# ----\n" * 60


def only_chunk(index: ProjectIndex, part: str) -> Chunk:
    (found,) = [chunk for chunk in index.all_chunks() if part in chunk.text]
    return found


def test_a_chunk_is_gone_with_its_file_or_its_text_and_not_when_it_only_moves() -> None:
    index = ProjectIndex()
    index.add("a.py", LOAD + SPACE + SAVE)
    load, save = only_chunk(index, "def load"), only_chunk(index, "def save")
    assert not index.is_gone(load) and not index.is_gone(save)
    index.add("a.py", "# moved\n" * 90 + SPACE + SAVE)
    assert index.is_gone(load) and not index.is_gone(save)
    assert only_chunk(index, "def save").start_line != save.start_line
    index.remove("a.py")
    assert index.is_gone(save)
    index.add("b.py", LOAD)
    assert index.is_gone(load)  # in another file


def test_a_part_of_a_line_is_not_the_line() -> None:
    index = ProjectIndex()
    index.add("a.py", "value = 1\n")
    chunk = only_chunk(index, "value")
    index.add("a.py", "other_value = 10\n")
    assert index.is_gone(chunk)


def test_a_compressed_chunk_is_gone_when_what_it_says_changes_and_not_with_what_it_leaves_out() -> None:
    index = ProjectIndex()
    index.add("a.py", LOAD)
    compressed = index.compressed(only_chunk(index, "def load"))
    assert compressed is not None and compressed.text == "def load(path): ..."
    assert not index.is_gone(compressed)
    index.add("a.py", SAVE + LOAD.replace("open", "close"))
    assert not index.is_gone(compressed)
    index.add("a.py", LOAD.replace("(path)", "(file)"))
    assert index.is_gone(compressed)


def test_the_same_path_in_another_folder_keeps_a_chunk() -> None:
    index = ProjectIndex()
    index.add("a.py", LOAD, root="/one")
    index.add("a.py", LOAD, root="/two")
    chunk = next(index.all_chunks())
    index.remove_root("/one")
    assert not index.is_gone(chunk)
    index.remove_root("/two")
    assert index.is_gone(chunk)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([LOAD, SAVE, LOAD + SAVE, None])), max_size=8)
)
def test_whatever_happens_the_chunks_of_now_are_there_and_all_others_gone(
    steps: list[tuple[str, str | None]],
) -> None:
    index, seen = ProjectIndex(), set()
    for name, text in steps:
        index.remove(f"{name}.py") if text is None else index.add(f"{name}.py", text)
        seen |= set(index.all_chunks())
    texts = dict(steps)
    for chunk in seen:
        now = texts[chunk.path[0]]
        assert index.is_gone(chunk) == (now is None or chunk.text not in now)


def test_every_change_raises_the_generation_and_is_told_once() -> None:
    index, told = ProjectIndex(), []
    end = index.on_change(lambda: told.append(index.generation))
    index.add("a.py", LOAD)
    index.add_all([("b.py", SAVE), ("pkg/c.py", LOAD)])
    index.remove_below(["pkg", "b.py", "unknown"])
    index.remove("unknown.py")
    index.query(Caret("x.py", "python", "load()", 6))
    assert told == [1, 2, 3]
    end()
    index.remove_root("")
    assert told == [1, 2, 3] and index.generation == 4


def test_a_file_is_never_missing_while_it_is_replaced() -> None:
    index = ProjectIndex()
    index.add_all([(f"{number}.py", LOAD + f"number = {number}\n") for number in range(50)])
    chunks, missed, stop = list(index.all_chunks()), [], threading.Event()

    def watch() -> None:
        while not stop.is_set():
            missed.extend(chunk for chunk in chunks if index.is_gone(chunk))

    thread = threading.Thread(target=watch)
    thread.start()
    for _ in range(40):
        index.add_all([(f"{number}.py", LOAD + f"number = {number}\n") for number in range(50)])
    stop.set()
    thread.join()
    assert missed == []


def test_the_live_index_tells_within_a_second_of_what_goes_and_comes(tmp_path: Path) -> None:
    write(tmp_path / "a.py", LOAD)
    with running(tmp_path) as index:
        (chunk,) = index.all_chunks()
        told = threading.Event()
        index.on_change(told.set)
        (tmp_path / "a.py").unlink()
        assert told.wait(PATIENCE_SECONDS)
        assert eventually(lambda: index.is_gone(chunk))
        before = index.generation
        write(tmp_path / "b.py", SAVE)
        assert eventually(lambda: index.generation > before)
