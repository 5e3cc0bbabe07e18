# ruff: noqa: E501
"""An index after any changes equals one built from scratch; queries find what they should and no leak."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mellum_lsp.retrieval.project as project
from mellum_lsp.domain import Caret
from mellum_lsp.retrieval.project import ProjectIndex
from mellum_lsp.retrieval.ranking import RankSettings

PATHS = st.sampled_from(["a.py", "b.py", "pkg/a.py", "pkg/deep/c.ts", "notes.txt"])
TEXTS = st.lists(
    st.sampled_from(["def load(path):\n    return open(path)\n", "class User:\n    name = ''\n", "x = load('y')\n", "\n", "é💡\n"]),
    max_size=12,
).map("".join)  # fmt: skip


def caret_in(text: str, path: str = "main.py", language: str = "python") -> Caret:
    offset = text.index("|")
    return Caret(path, language, text.replace("|", "", 1), offset)


@pytest.mark.parametrize("renumber_from", [0, 2048])
def test_equals_an_index_built_from_scratch(renumber_from: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "_RENUMBER_FROM_CHUNKS", renumber_from)

    @settings(max_examples=80)
    @given(st.lists(st.tuples(PATHS, st.one_of(st.none(), TEXTS)), max_size=20), TEXTS)
    def check(steps: list[tuple[str, str | None]], around: str) -> None:
        index, texts = ProjectIndex(), {}
        for path, text in steps:
            if text is None:
                assert index.remove(path) == (path in texts)
                texts.pop(path, None)
            else:
                index.add(path, text)
                texts[path] = text
        scratch = ProjectIndex()
        scratch.add_all(texts.items())
        assert (index.files, index.chunks, index.bytes) == (scratch.files, scratch.chunks, scratch.bytes)
        assert list(index.all_chunks()) == list(scratch.all_chunks())
        caret = Caret("main.py", "python", around, len(around) // 2)
        assert index.query(caret) == scratch.query(caret)
        restored = ProjectIndex()
        restored.restore(index.saved())
        assert list(restored.all_chunks()) == list(scratch.all_chunks())
        assert restored.query(caret) == scratch.query(caret)

    check()


def test_finds_the_definition_that_a_line_needs() -> None:
    index = ProjectIndex()
    index.add(
        "billing/invoice.py",
        "class Invoice:\n    def total_with_tax(self, rate):\n        return self.net * rate\n",
    )
    index.add("other/noise.py", "def unrelated(things):\n    for thing in things:\n        print(thing)\n")
    caret = caret_in("from billing.invoice import Invoice\n\ninvoice = Invoice()\nprint(invoice.total|)\n")
    found = index.query(caret)
    assert found[0].chunk.path == "billing/invoice.py"
    assert found[0].score >= found[-1].score


def test_never_shows_the_text_that_is_to_be_completed() -> None:
    body = "".join(f"    step_{number} = transform(step_{number - 1})\n" for number in range(1, 11))
    text = f"def work(step_0):\n{body}    return step_10\n"
    index = ProjectIndex()
    index.add("work.py", text)
    hole = text.replace("    step_5 = transform(step_4)\n", "|")
    assert [
        one for one in index.query(caret_in(hole, "work.py")) if "step_5 = transform" in one.chunk.text
    ] == []


def test_far_parts_of_the_same_file_may_be_shown() -> None:
    far = "def parse_header(raw_bytes):\n    header = raw_bytes[:16]\n    return Header.parse(header)\n"
    gap = "".join(f"\n\nclass Gap{number}:\n    value = {number}\n" for number in range(40))
    text = far + gap + "\n\nheader = parse_header(raw_bytes|)\n"
    index = ProjectIndex()
    index.add("main.py", text.replace("|", ""))
    found = index.query(caret_in(text))
    assert any("def parse_header" in one.chunk.text for one in found)
    near = (
        "def parse_header(raw_bytes):\n    header = raw_bytes[:16]\n\n\nheader = parse_header(raw_bytes|)\n"
    )
    index.add("main.py", near.replace("|", ""))
    assert index.query(caret_in(near)) == []


def test_copies_are_shown_once_and_copies_of_the_surroundings_never() -> None:
    shared = "def send_request(session, url):\n    response = session.get(url)\n    response.raise_for_status()\n    return response\n"
    index = ProjectIndex()
    for number in range(4):
        index.add(f"copy{number}.py", shared)
    caret = caret_in("def fetch(session, url):\n    response = session.get(url|)\n")
    assert len([one for one in index.query(caret) if "send_request" in one.chunk.text]) == 1
    inside = caret_in(shared + "|")
    assert [one for one in index.query(inside) if "send_request" in one.chunk.text] == []


def test_at_most_a_few_of_one_file_and_at_most_the_limit() -> None:
    index = ProjectIndex()
    for name in ("one", "two", "three"):
        functions = [
            f"def {name}_{number}_handler(request, response):\n    return request.load(response)\n"
            + "".join(
                f"    {chr(97 + number) * 9}_{line * 7919 % 1000}_{name} = {line}\n" for line in range(14)
            )
            for number in range(9)
        ]
        index.add(f"{name}.py", "\n\n".join(functions))
    caret = caret_in("def main(request, response):\n    request.load(response|)\n")
    found = index.query(caret, 100)
    per_file = [one.chunk.path for one in found]
    assert 0 < max(per_file.count(path) for path in per_file) <= RankSettings().per_file
    assert len(index.query(caret, 2)) == 2


def test_of_two_equal_chunks_the_nearer_file_comes_first() -> None:
    index = ProjectIndex()
    text = "def convert(amount, currency):\n    return amount * RATES[currency]  # {}\n"
    index.add("far/away/deep/convert.py", text.format("alpha beta gamma delta epsilon zeta eta theta iota"))
    index.add("app/money/convert.py", text.format("one two three four five six seven eight nine ten eleven"))
    caret = caret_in("amount = convert(amount, currency|)\n", "app/money/main.py")
    assert index.query(caret)[0].chunk.path == "app/money/convert.py"


def test_two_folders_with_the_same_path_stay_apart() -> None:
    index = ProjectIndex()
    index.add("a.py", "def first(value):\n    return value\n", root="/one")
    index.add("a.py", "def second(value):\n    return value\n", root="/two")
    assert index.files == 2
    index.remove_root("/one")
    assert [chunk.text.split("(")[0] for chunk in index.all_chunks()] == ["def second"]
    index.remove_below(["a.py"], "/two")
    assert index.files == 0


def test_a_folder_is_removed_with_all_that_is_in_it() -> None:
    index = ProjectIndex()
    for path in ["pkg/a.py", "pkg/sub/b.py", "pkgs.py"]:
        index.add(path, "x_value = 1\n")
    index.remove_below(["pkg"], kept={"pkg/sub/b.py"})
    assert [chunk.path for chunk in index.all_chunks()] == ["pkg/sub/b.py", "pkgs.py"]
    index.remove_below(["pkg"])
    assert [chunk.path for chunk in index.all_chunks()] == ["pkgs.py"]


def test_queries_run_beside_a_writer() -> None:
    index, errors, stop = ProjectIndex(), [], threading.Event()
    caret = caret_in("value = load(path|)\n")

    def ask() -> None:
        while not stop.is_set():
            try:
                index.query(caret)
            except Exception as error:
                errors.append(error)
                return

    thread = threading.Thread(target=ask)
    thread.start()
    for step in range(600):
        index.add(f"{step % 50}.py", f"def load(path_{step}):\n    return path\n" * (step % 7))
    stop.set()
    thread.join()
    assert errors == []
