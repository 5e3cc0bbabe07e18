"""Texts as sets of numbers."""

from __future__ import annotations

import subprocess
import sys

from mellum_lsp.retrieval.tokens import line_ids, token_ids, word_id


def has(text: str, word: str) -> bool:
    return word_id(word) in set(token_ids(text).tolist())


def test_identifiers_count_as_themselves_and_as_their_words() -> None:
    for text in ["parseHTTPResponse", "parse_http_response()"]:
        for word in ["parse", "http", "response"]:
            assert has(text, word), (text, word)
    assert has("parseHTTPResponse", "parseHTTPResponse")
    assert not has("parse_http_response", "parseHTTPResponse")


def test_punctuation_and_numbers_are_no_tokens() -> None:
    assert len(token_ids("( 1 + 2.5 ) != [ ]")) == 0


def test_letters_of_any_script_count() -> None:
    assert has("größe = naïve + 変数", "größe")
    assert has("größe = naïve + 変数", "変数")


def test_lines_are_compared_without_spaces_and_short_ones_left_out() -> None:
    assert line_ids(["  a = b + c", "}"]).tolist() == line_ids(["a=b+c"]).tolist()
    assert len(line_ids(["}", "", "  )", "else"])) == 1


def test_the_numbers_are_the_same_in_every_process() -> None:
    code = "from mellum_lsp.retrieval.tokens import token_ids; print(token_ids('alpha beta_gamma').tolist())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == str(token_ids("alpha beta_gamma").tolist())
