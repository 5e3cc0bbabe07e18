"""What keeps a workspace from being tuned, in sentences for the user."""

from __future__ import annotations


class AdaptFailed(Exception):
    """It cannot be tuned; the message ends with a line ``hint: `` that says what to do."""


class Interrupted(Exception):
    """The user has ended it; what was done is kept."""
