"""URIs of files, of things that are none, and of nothing at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellum_lsp.lsp import uris


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///home/x/a.py", "/home/x/a.py"),
        ("FILE:///home/x/a.py", "/home/x/a.py"),
        ("file://localhost/home/x/a.py", "/home/x/a.py"),
        ("file:///home/gr%C3%BCn%20x.py", "/home/grün x.py"),
        ("file:///home/a%23b%3Fc.py", "/home/a#b?c.py"),
        ("file:///home/x/../y/./a.py", "/home/y/a.py"),
        ("file:///c%3A/Users/x/a.py", "/c:/Users/x/a.py"),
        ("file:///C:/Users/x/a.py", "/c:/Users/x/a.py"),
        ("file:///C:%5CUsers%5Cx%5Ca.py", "/c:/Users/x/a.py"),
        ("file://server/share/a.py", "//server/share/a.py"),
    ],
)
def test_files(uri: str, path: str) -> None:
    assert uris.to_path(uri) == Path(path)


def test_file_names_that_are_no_utf8_lead_to_their_files(tmp_path: Path) -> None:
    uri = f"file://{tmp_path}/%FF.py"
    path = uris.to_path(uri)
    assert path is not None
    path.write_text("x")
    assert path.exists()
    uris.presentable(path.name).encode("utf-8")


@pytest.mark.parametrize(
    "uri",
    ["untitled:Untitled-1", "git:/x/a.py", "", "file:", "file:relative", "file:///a%00b", "http://[::1"],
)
def test_what_is_no_file_has_no_path(uri: str) -> None:
    assert uris.to_path(uri) is None


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("untitled:Untitled-1", "Untitled-1"),
        ("untitled:/home/x/new.py", "new.py"),
        ("untitled:C:\\x\\new.py", "new.py"),
        ("vscode-notebook-cell:/x/a.ipynb#W0", "a.ipynb"),
        ("git:/x/a%20b.py?ref", "a b.py"),
        ("", "untitled"),
        ("x:", "untitled"),
    ],
)
def test_everything_has_a_name(uri: str, name: str) -> None:
    assert uris.to_name(uri) == name


@given(st.text())
def test_nothing_raises(text: str) -> None:
    for uri in (text, f"file://{text}", f"untitled:{text}"):
        uris.to_path(uri)
        name = uris.to_name(uri)
        assert name and "\n" not in name
        name.encode("utf-8")
