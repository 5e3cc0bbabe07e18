"""Where the server's log goes, and how it stays free of source text.

Everything goes to standard error, which editors keep, and to ``server.log`` in the state directory. At the
default level no line holds text of a document: exceptions are logged by type and place, because a message
such as ``KeyError: '...'`` may quote whatever was being looked at. ``MELLUM_LSP_LOG=debug`` shows them
whole.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path

import platformdirs

LEVEL_VARIABLE = "MELLUM_LSP_LOG"
_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
_MAX_BYTES, _KEPT_FILES = 4 * 1024 * 1024, 2

log = logging.getLogger(__name__)


def state_directory() -> Path:
    """The user's directory for logs and what is learnt; made on demand, it may fail to exist."""
    return Path(platformdirs.user_state_dir("mellum-lsp", appauthor=False))


def log_file() -> Path:
    return state_directory() / "server.log"


@contextmanager
def set_up(*, quiet: bool) -> Iterator[None]:
    """Send the log of the whole process to standard error and to the log file, where there can be one.

    A thread writes it, so that nobody waits for a slow disk; what a full one does not take is lost without a
    traceback for every line. ``quiet`` keeps standard error to warnings:
    editors that start a server take its every word for an error.
    """
    level = logging.getLevelName(os.environ.get(LEVEL_VARIABLE, "info").upper())
    waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    logging.basicConfig(
        level=level if isinstance(level, int) else logging.INFO,
        handlers=[QueueHandler(waiting)],
        format="%(message)s",  # the thread's handlers add the rest
        force=True,
    )
    # pygls logs whole messages, source text included, at INFO, and parameters together with errors.
    logging.getLogger("pygls").setLevel(logging.CRITICAL)
    for noisy in ("websockets", "asyncio", "watchdog"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    listener = QueueListener(waiting, *_handlers(quiet), respect_handler_level=True)
    telling, logging.raiseExceptions = logging.raiseExceptions, False
    listener.start()
    try:
        yield
    finally:
        listener.stop()
        logging.raiseExceptions = telling


def _handlers(quiet: bool) -> list[logging.Handler]:
    stderr = logging.StreamHandler(sys.stderr)
    stderr.setLevel(logging.WARNING if quiet else logging.NOTSET)
    handlers: list[logging.Handler] = [stderr]
    try:
        log_file().parent.mkdir(parents=True, exist_ok=True)
        handlers.append(
            RotatingFileHandler(log_file(), maxBytes=_MAX_BYTES, backupCount=_KEPT_FILES, encoding="utf-8")
        )
    except OSError as error:
        print(f"mellum-lsp: no log file: {error}", file=sys.stderr)
    for handler in handlers:
        handler.setFormatter(logging.Formatter(_FORMAT))
    return handlers


def failure(what: str, error: BaseException) -> str:
    """A line for the log: ``what``, the kind of error and where it arose; all of it at debug level."""
    if log.isEnabledFor(logging.DEBUG):
        return f"{what}\n{''.join(traceback.format_exception(error))}"
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    return f"{what}: {type(error).__name__} at {places or 'an unknown place'}"
