"""What is kept of a text: every chunk's sets of terms, as its text alone would give them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mellum_lsp.retrieval.analysis import SetTable, Source, analyse
from mellum_lsp.retrieval.definitions import defined_names
from mellum_lsp.retrieval.tokens import line_ids, token_ids, word_id
from mellum_lsp.workspace.settings import IndexSettings

LIMITS = IndexSettings(chunk_lines=3, max_chunk_lines=6)
LINES = st.sampled_from(
    [
        "def load(path_of_file):",
        "    return open(path_of_file)",
        "class HTTPServer:",
        "größe = naïve",
        "",
        "}",
        "x = x",
    ]
)
TEXTS = st.lists(st.lists(LINES, max_size=25).map("\n".join), max_size=6)


def sets_of(table: SetTable) -> list[list[int]]:
    """The sorted set of every chunk, read out of the inverted index."""
    sets: list[list[int]] = [[] for _ in table.sizes]
    segment = table.segment
    for place, term in enumerate(segment.terms.tolist()):
        for chunk in segment.chunk_ids[segment.offsets[place] : segment.offsets[place + 1]].tolist():
            sets[chunk].append(term)
    assert [len(one) for one in sets] == table.sizes.tolist()
    return sets


@settings(max_examples=100)
@given(TEXTS)
def test_every_chunk_has_the_sets_of_its_own_text(texts: list[str]) -> None:
    sources = [Source(f"{number}.py", text) for number, text in enumerate(texts)]
    batch = analyse(sources, LIMITS)
    own = []
    for entry in batch.files:
        lines = entry.text().split("\n")
        own += [lines[span.start : span.end] for span in entry.spans()]
    assert batch.chunks == len(own)
    assert sets_of(batch.tokens) == [token_ids("\n".join(lines)).tolist() for lines in own]
    assert sets_of(batch.lines) == [line_ids(lines).tolist() for lines in own]
    names = [sorted({word_id(name) for name in defined_names("\n".join(lines))}) for lines in own]
    assert sets_of(batch.names) == names
