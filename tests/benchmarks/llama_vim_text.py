"""What llama.vim sees of a document, and what it shows of an answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from mellum_lsp.bench.document import Ghost

N_PREFIX, N_SUFFIX, RING_CHUNKS, CHUNK_LINES = 256, 64, 16, 32
CHARACTERS_PER_TOKEN = 3.3


@dataclass(frozen=True)
class Sizes:
    """Lines of the window and chunks of the ring."""

    prefix: int
    suffix: int
    chunks: int

    @classmethod
    def for_tokens(cls, tokens: int, text: str) -> Sizes:
        """llama.vim's own, scaled so that a prompt in ``text`` has about ``tokens``; never larger."""
        of_a_line = max(1.0, len(text) / CHARACTERS_PER_TOKEN / (text.count("\n") + 1))
        all_lines = N_PREFIX + N_SUFFIX + RING_CHUNKS * CHUNK_LINES
        factor = min(1.0, tokens / (all_lines * of_a_line))
        return cls(
            max(8, round(N_PREFIX * factor)), max(2, round(N_SUFFIX * factor)), round(RING_CHUNKS * factor)
        )


@dataclass(frozen=True)
class Local:
    """The text around a caret as llama.vim sees it."""

    prefix: str
    middle: str
    suffix: str
    line_suffix: str

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Under which an answer is kept: with none to three of the first lines scrolled away."""
        keys, prefix = [(self.prefix + self.middle, self.suffix)], self.prefix
        for _ in range(3):
            _, newline, prefix = prefix.partition("\n")
            if not newline or not prefix:
                break
            keys.append((prefix + self.middle, self.suffix))
        return keys


def local_at(text: str, caret: int, sizes: Sizes) -> Local:
    """What stands around the caret; a line of white space counts as empty."""
    lines = text.split("\n")
    row = text.count("\n", 0, caret)
    column = caret - (text.rfind("\n", 0, caret) + 1)
    line = lines[row]
    middle, line_suffix = line[:column], line[column:]
    if not line.strip():
        middle = line_suffix = ""
    prefix = "\n".join(lines[max(0, row - sizes.prefix) : row]) + "\n"
    below = "\n".join(lines[row + 1 : row + 1 + sizes.suffix])
    return Local(prefix, middle, f"{line_suffix}\n{below}\n", line_suffix)


def rendered(content: str, local: Local) -> Ghost | None:
    """What is shown of a content, after the rules of llama.vim; None where that is nothing."""
    lines = content.split("\n")
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return None
    following = local.suffix.split("\n")[1:]
    if not lines[0] and lines[1:] == following[: len(lines) - 1]:
        return None
    if len(lines) == 1 and lines[0] == local.line_suffix:
        return None
    below = [line for line in following if line.strip()] or [""]
    if local.middle + lines[0] == below[0] and (len(lines) == 1 or lines[1:] == following[1 : len(lines)]):
        return None
    text = "\n".join(lines)
    return Ghost(text) if text.strip() else None
