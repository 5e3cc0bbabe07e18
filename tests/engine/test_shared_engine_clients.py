"""A shared engine trusts no client, and lets nobody in but its user."""

from __future__ import annotations

import asyncio
import socket
import stat
from pathlib import Path

import pytest
from asking import AT_ONCE, ONE_THREAD, OpenEngine, ask, plain, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mellum_lsp.engine import endpoint, messages, rendezvous
from mellum_lsp.engine.rendezvous import place_for

HELLO = messages.Hello(messages.PROTOCOL, "", AT_ONCE)


class TestStrangers:
    async def test_only_its_user_can_reach_it(self, open_engine: OpenEngine, tiny_model: Path) -> None:
        await open_engine().start()
        address = place_for(tiny_model, ONE_THREAD).address
        assert stat.S_IMODE(address.stat().st_mode) == 0o600
        assert stat.S_IMODE(address.parent.stat().st_mode) == 0o700

    async def test_whatever_a_client_sends_harms_nobody_else(
        self, open_engine: OpenEngine, tiny_model: Path
    ) -> None:
        engine = open_engine()
        await engine.start()
        before = engine.pid
        address = place_for(tiny_model, ONE_THREAD).address

        @given(st.binary(max_size=200), st.booleans(), st.booleans())
        @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
        def send(noise: bytes, greets: bool, framed: bool) -> None:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(address))
                client.settimeout(5)
                prefix = messages.LENGTH.pack(len(noise)) if framed else b""
                client.sendall((messages.frame(HELLO) if greets else b"") + prefix + noise)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass

        await asyncio.to_thread(send)
        await asyncio.to_thread(send_and_hang_up, address, messages.LENGTH.pack(messages.MAX_FRAME_BYTES + 1))
        await asyncio.to_thread(send_and_hang_up, address, messages.LENGTH.pack(messages.MAX_FRAME_BYTES))
        wrong = messages.Generate(1, [], -5, [""], "", 99, float("nan"), -7, "x")
        await asyncio.to_thread(send_and_hang_up, address, messages.frame(HELLO) + messages.frame(wrong))
        assert (await read(ask(engine, plain("X")))).stats.stop == "length"
        assert engine.pid == before

    async def test_a_client_that_reads_nothing_does_not_hold_up_the_others(
        self, open_engine: OpenEngine, tiny_model: Path
    ) -> None:
        engine = open_engine()
        await engine.start()
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.connect(str(place_for(tiny_model, ONE_THREAD).address))
            much = messages.Generate(1, [["X"]], 4000, [], "", 1, 0.0)
            deaf.sendall(messages.frame(HELLO) + messages.frame(much))
            assert (await read(ask(engine, plain("X"), 1))).stats.stop == "length"

    async def test_a_server_of_another_version_is_turned_away(
        self, open_engine: OpenEngine, tiny_model: Path
    ) -> None:
        await open_engine().start()
        stranger = messages.Hello(messages.PROTOCOL + 1, "", AT_ONCE)
        address = place_for(tiny_model, ONE_THREAD).address
        assert await asyncio.to_thread(send_and_listen, address, messages.frame(stranger)) == b""
        assert await asyncio.to_thread(send_and_listen, address, messages.frame(HELLO)) != b""

    async def test_a_server_of_another_version_looks_elsewhere(
        self, open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old, new = open_engine(), open_engine()
        await old.start()
        rendezvous._code.cache_clear()
        monkeypatch.setattr(rendezvous, "__version__", "99")
        await new.start()
        rendezvous._code.cache_clear()
        assert old.pid != new.pid


class TestPorts:
    """How servers meet where there are no Unix sockets."""

    @pytest.fixture(autouse=True)
    def _use_ports(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rendezvous, "SUFFIX", endpoint.PORT)

    async def test_two_servers_have_one_engine(self, open_engine: OpenEngine, home: Path) -> None:
        one, other = open_engine(), open_engine()
        assert (await read(ask(one, plain("X")))).tokens == (await read(ask(other, plain("X")))).tokens
        assert one.pid == other.pid
        (address,) = home.glob("runtime_dir/mellum-lsp/*.port")
        assert stat.S_IMODE(address.stat().st_mode) == 0o600

    async def test_who_does_not_know_the_secret_is_turned_away(
        self, open_engine: OpenEngine, tiny_model: Path
    ) -> None:
        await open_engine().start()
        address = place_for(tiny_model, ONE_THREAD).address
        _, writer, secret = await endpoint.connect(address)
        port = writer.get_extra_info("peername")[1]
        writer.close()
        for said, welcome in ((secret, True), ("", False), (secret[:-1], False), ("é", False)):
            with socket.create_connection(("127.0.0.1", port)) as client:
                hello = messages.frame(messages.Hello(messages.PROTOCOL, said, AT_ONCE))
                answer = await asyncio.to_thread(exchange, client, hello)
            assert bool(answer) is welcome


def send_and_hang_up(address: Path, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(address))
        client.sendall(data)


def send_and_listen(address: Path, data: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(address))
        return exchange(client, data)


def exchange(client: socket.socket, data: bytes) -> bytes:
    client.settimeout(5)
    client.sendall(data)
    return client.recv(65536)
