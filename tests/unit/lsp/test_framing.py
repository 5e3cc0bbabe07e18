"""Messages are cut out of whatever bytes arrive, in whatever pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellum_lsp.lsp.framing import MAX_BODY_BYTES, Framing, StreamError, frame


@given(bodies=st.lists(st.binary(max_size=40), max_size=5), size=st.integers(1, 50))
def test_messages_survive_any_cutting_of_the_stream(bodies: list[bytes], size: int) -> None:
    stream = b"".join(frame(body) for body in bodies)
    framing = Framing()
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert [body for piece in pieces for body in framing.feed(piece)] == bodies


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: 2\r\n\r\n",
        b"content-length:2\r\n\r\n",
        b"CONTENT-LENGTH :  2 \r\n\r\n",
        b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: 2\r\n\r\n",
        b"Content-Length: 2\r\nX-Other: 9\r\n\r\n",
        b"Content-Length: 2\n\n",
        b"a stray line\r\nContent-Length: 2\r\n\r\n",
        b"stray\r\n\r\nContent-Length: x\r\n\r\nContent-Length: 2\r\n\r\n",
        b"Content-Length: -5\r\n\r\nContent-Length: 2\r\n\r\n",
        b"X-Content-Length: 9\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_headers_of_many_kinds(header: bytes) -> None:
    assert Framing().feed(header + b"{}" + frame(b"[]")) == [b"{}", b"[]"]


@pytest.mark.parametrize("error", [-9, -1, 1, 9])
def test_after_a_wrong_length_the_stream_is_found_again(error: int) -> None:
    """Clients that count characters instead of bytes announce too few."""
    body = b'{"text": "grown for more than it was said to be"}'
    wrong = b"Content-Length: %d\r\n\r\n%b" % (len(body) + error, body)
    bodies = Framing().feed(wrong + frame(b"['may be lost']") + frame(b"[1]") + frame(b"[2]"))
    assert bodies[-2:] == [b"[1]", b"[2]"]


def test_a_message_without_a_body() -> None:
    assert Framing().feed(frame(b"") + frame(b"x")) == [b"", b"x"]


@pytest.mark.parametrize(
    "stream", [b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), b"x" * 100_000, b"x\r\n" * 50_000]
)
def test_streams_without_bounds_are_given_up(stream: bytes) -> None:
    with pytest.raises(StreamError):
        Framing().feed(stream)
