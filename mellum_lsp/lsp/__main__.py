"""The server alone: ``python -m mellum_lsp.lsp [--tcp HOST:PORT | --ws HOST:PORT] [--model M]``."""

from __future__ import annotations

import argparse
import sys

from mellum_lsp.lsp.server import Stdio, Tcp, Transport, WebSocket, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m mellum_lsp.lsp")
    addresses = parser.add_mutually_exclusive_group()
    addresses.add_argument("--tcp", metavar="HOST:PORT")
    addresses.add_argument("--ws", metavar="HOST:PORT")
    parser.add_argument("--model")
    arguments = parser.parse_args()
    transport: Transport = Stdio()
    if arguments.tcp:
        transport = Tcp(*_address(arguments.tcp))
    elif arguments.ws:
        transport = WebSocket(*_address(arguments.ws))
    return run(transport, arguments.model)


def _address(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main())
