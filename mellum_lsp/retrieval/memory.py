"""How much memory a process holds."""

from __future__ import annotations

import sys
from pathlib import Path

_PAGE_BYTES = 4096


def resident_megabytes(pid: int | None = None) -> float:
    """What a process (else this one) holds now; its own peak where no more is known; else 0."""
    try:
        pages = int(Path(f"/proc/{pid or 'self'}/statm").read_text("ascii").split()[1])
        return pages * _PAGE_BYTES / 1e6
    except (OSError, ValueError, IndexError):
        if pid is not None or sys.platform == "win32":
            return 0.0
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
