"""The command line: thin commands over the other rooms."""


def main() -> None:
    raise SystemExit("not yet")
