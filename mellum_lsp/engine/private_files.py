"""Files for this user alone, written whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_private(path: Path, *parts: bytes | memoryview) -> None:
    """Write ``parts`` one after the other to ``path``, mode 0600, in a folder of mode 0700.

    Whoever reads the file at any moment finds the old content or the new. Raises `OSError`.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
