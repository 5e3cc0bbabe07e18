"""Names that lines define, use and import, by their shape alone."""

from __future__ import annotations

import pytest

from mellum_lsp.retrieval.definitions import defined_names, imported_names, used_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def compute(a):\n    return a", {"compute"}),
        ("async def fetch_all():", {"fetch_all"}),
        ("class Parser(Base):", {"Parser"}),
        ("MAX_SIZE: int = 4", {"MAX_SIZE"}),
        ("export default async function loadUser() {", {"loadUser"}),
        ("export const API_URL = 'x'", {"API_URL"}),
        ("interface UserProps {", {"UserProps"}),
        ("func (s *Server) Listen(port int) error {", {"Listen"}),
        ("type Config struct {", {"Config"}),
        ("pub(crate) fn parse_line(s: &str) -> Line {", {"parse_line"}),
        ("impl Display for Token {", {"Display"}),
        ("public static List<String> readAll(Path path) {", {"readAll"}),
        ("data class Point(val x: Int)", {"Point"}),
        ("fun String.shorten(): String =", {"shorten"}),
        ("std::string Parser::next_token(int a) {", {"next_token"}),
        ("static inline int clamp_value(int v)", {"clamp_value"}),
        ("#define BUFFER_SIZE 512", {"BUFFER_SIZE"}),
        ("    return compute(a)", set()),
        ("    if check_it(a) {", set()),
        ("    local_value = 3", set()),
        ("x == y_value", set()),
    ],
)
def test_defined_names(text: str, names: set[str]) -> None:
    assert defined_names(text) == names


def test_long_lines_do_not_hang() -> None:
    assert defined_names("a b " * 50_000 + "(") == set()
    assert defined_names("x<" * 50_000) == set()


def test_imported_names() -> None:
    assert imported_names("from pathlib import Path\n")["Path"] >= {"pathlib"}
    assert imported_names("from m import (\n    first,\n    second,\n)\n").keys() >= {"first", "second"}
    assert imported_names('import React, { useState } from "./react-dom";\n')["useState"] >= {"react", "dom"}
    assert imported_names("use std::collections::HashMap;\n")["HashMap"] >= {"std", "collections"}
    assert imported_names("value = imported\n") == {}


def test_an_imported_name_knows_only_the_words_of_its_own_lines() -> None:
    names = imported_names("from shop.cart import Item\nfrom tax import rate\n")
    assert "tax" not in names["Item"]
    assert "cart" not in names["rate"]


def test_names_nearer_to_the_caret_weigh_more() -> None:
    weights = used_names("first = 1\n" * 5 + "second")
    assert weights["second"] > weights["first"] > 0
    assert "1" not in weights
