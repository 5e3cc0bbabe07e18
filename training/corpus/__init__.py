"""The texts that a model is trained on and judged by: where they come from, what is left out, and why."""

from training.corpus.document import Document, read_documents

__all__ = ["Document", "read_documents"]
