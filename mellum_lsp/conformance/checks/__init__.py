"""What a server promises, check by check: what LSP demands of every one, and what docs/protocol.md adds.

Each check is a function that takes the `Subject` and raises `Violation` with what it saw. `run` makes them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mellum_lsp.conformance.checks import documents, items, life, messages, requests
from mellum_lsp.conformance.checks.check import ALL, SCRIPT, Check, Peer, Skipped, Start, Subject, Violation
from mellum_lsp.conformance.client import ProtocolError, ServerError

__all__ = ["CHECKS", "SCRIPT", "Check", "Outcome", "Peer", "Start", "Subject", "run"]

CHECKS: tuple[Check, ...] = tuple(ALL)
LIMIT_SECONDS = 60.0
_MODULES = (documents, items, life, messages, requests)
"""They list their checks when they are imported."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a check; ``message`` says why it failed or was not made."""

    check: Check
    result: Literal["passed", "failed", "skipped"]
    message: str = ""


async def run(subject: Subject, checks: Sequence[Check] = CHECKS) -> AsyncIterator[Outcome]:
    """Makes the checks one after the other. Raises `OSError` where the server cannot be started."""
    for check in checks:
        outcome = await _made(check, subject)
        if outcome.result == "failed":
            await subject.close(broken=True)  # nobody knows what state its session is in
        yield outcome
    await subject.close()


async def _made(check: Check, subject: Subject) -> Outcome:
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await check.run(subject)
        subject.verify()
    except Skipped as reason:
        return Outcome(check, "skipped", str(reason))
    except (Violation, ProtocolError) as violation:
        return Outcome(check, "failed", str(violation))
    except ServerError as error:
        return Outcome(check, "failed", f"error {error.code}: {error}")
    except TimeoutError:
        return Outcome(check, "failed", "no answer in time")
    except ConnectionError as error:
        return Outcome(check, "failed", str(error))
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        return Outcome(check, "failed", f"an answer is not of its form: {error!r}")
    return Outcome(check, "passed")
