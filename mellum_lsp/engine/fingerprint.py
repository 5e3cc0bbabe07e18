"""Tells two model files apart by their content, in milliseconds whatever their size."""

from __future__ import annotations

import hashlib
from pathlib import Path

_BEGINNING = 1 << 20
_SAMPLES, _SAMPLE_BYTES = 64, 4096


def fingerprint(path: Path) -> str:
    """A digest of the file's length, its beginning (metadata) and samples from all over it (weights).

    Training changes every weight, so the samples of a retrained model differ though its header may not.
    """
    length = path.stat().st_size
    digest = hashlib.sha256(str(length).encode())
    with path.open("rb") as file:
        digest.update(file.read(_BEGINNING))
        for sample in range(_SAMPLES):
            file.seek(max(0, (length - _SAMPLE_BYTES) * sample // (_SAMPLES - 1)))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()[:32]
