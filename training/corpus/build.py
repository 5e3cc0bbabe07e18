"""Stage `corpus`: sources named in the recipe → permissively licensed files with their provenance.

Writes ``corpus/train.jsonl`` and ``corpus/held_out.jsonl`` (one document a line), ``corpus/manifest.jsonl``
(the same without text) and ``corpus/report.json`` (what was dropped and why). Steps, in this order: the
package's licence, each file's own header, vendored, generated and minified files, secrets, benchmarks,
personal data, exact and near duplicates, overlap with what is held out.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from mellum_lsp.workspace.languages import language_of
from training.corpus import sources
from training.corpus.benchmarks import Benchmarks, texts_in
from training.corpus.document import Document, write_documents, write_manifest
from training.corpus.duplicates import NearDuplicates, runs_of_lines
from training.corpus.filters import judge
from training.corpus.runs import Runs, shared
from training.corpus.scrub import scrub
from training.progress import bar
from training.recipe import Corpus, Recipe, Run

_OVERLAP = 0.1
"""A file with more than this share of its runs of lines in held-out files is not trained on."""


def build(recipe: Recipe, run: Run) -> None:
    """Reads every source once; does nothing where the same settings have been built already."""
    settings = recipe.corpus
    run.corpus.mkdir(parents=True, exist_ok=True)
    report_path = run.corpus / "report.json"
    wanted = hashlib.sha256(repr(asdict(settings)).encode()).hexdigest()
    if report_path.exists() and json.loads(report_path.read_text())["settings"] == wanted:
        print("corpus: is there already", flush=True)
        return
    dropped: Counter[str] = Counter()
    benchmarks = _benchmarks(settings, run)
    reader = _Reader(settings, run, benchmarks, dropped)
    held_out = list(reader.documents({"wheel": settings.held_out}, "held_out"))
    unique = list(_unique(reader.documents(_named(settings), "train"), held_out, dropped))
    train = [document for document in unique if document.split != "held_out"]
    held_out += [document for document in unique if document.split == "held_out"]
    write_documents(run.corpus / "held_out.jsonl", held_out)
    write_documents(run.corpus / "train.jsonl", train)
    write_manifest(run.corpus / "manifest.jsonl", [*train, *held_out])
    report = _report(train, held_out, dropped) | {
        "settings": wanted,
        "refused": reader.refused,
        "benchmark_runs": len(benchmarks),
        "personal_data_replaced": reader.scrubbed,
    }
    report_path.write_text(json.dumps(report, indent=1), encoding="utf-8")
    hidden = ("packages", "held_out_packages", "settings")
    print(json.dumps({k: v for k, v in report.items() if k not in hidden}, indent=1), flush=True)


def _named(settings: Corpus) -> dict[str, tuple[str, ...]]:
    return {
        "wheel": settings.packages,
        "sdist": settings.sdists,
        "npm": settings.npm,
        "debian": settings.debian,
        "folder": settings.folders,
        "interpreter": ("",) if settings.interpreter_library else (),
    }


def _benchmarks(settings: Corpus, run: Run) -> Benchmarks:
    texts: list[str] = []
    for name in settings.benchmarks:
        path = sources.downloaded(run.wheels, name, "*.whl", ["--only-binary=:all:"])
        texts += texts_in(path)
    return Benchmarks(texts, settings.benchmark_ngram)


class _Reader:
    """Reads sources one by one, judging every file."""

    def __init__(self, settings: Corpus, run: Run, benchmarks: Benchmarks, dropped: Counter[str]) -> None:
        self._settings, self._run, self._benchmarks, self._dropped = settings, run, benchmarks, dropped
        self.refused: list[str] = []
        self.scrubbed = 0

    def documents(self, named: dict[str, tuple[str, ...]], split: str) -> Iterator[Document]:
        """``named``: what each kind of source is to give."""
        settings, run = self._settings, self._run
        readers = {
            "wheel": sources.wheel,
            "sdist": sources.sdist,
            "npm": sources.npm,
            "debian": sources.debian_source,
            "folder": sources.folder,
        }
        held_out = {n.replace("-", "_") for n in settings.held_out} | set(settings.held_out)
        forbidden = frozenset(held_out if split == "train" else ())
        pairs = [(kind, name) for kind, names in named.items() for name in names]
        for kind, name in bar(pairs, f"corpus: {split}"):
            if kind == "interpreter":
                files = sources.interpreter_library()
            else:
                files = readers[kind](settings, run, name)
            try:
                for file in files:
                    document = self._document(file, split, forbidden)
                    if document is not None:
                        yield document
            except sources.RefusedError as refusal:
                self.refused.append(str(refusal))
                print(f"corpus: left out: {refusal}", flush=True)

    def _split(self, digest: str) -> str:
        """By the text's hash: the same file always comes to the same split."""
        at = int(digest[:8], 16) / 2**32
        if at < self._settings.validation_share:
            return "validation"
        return "held_out" if at > 1 - self._settings.held_out_share else "train"

    def _document(self, file: sources.SourceFile, split: str, forbidden: frozenset[str]) -> Document | None:
        reason, text = judge(self._settings, file.path, file.raw, forbidden)
        if not reason and self._benchmarks.touches(text):
            reason = "a benchmark's text or name"
        if reason:
            self._dropped[reason] += 1
            return None
        text, changes = scrub(text)
        self.scrubbed += changes
        digest = hashlib.sha256(text.encode()).hexdigest()
        if split == "train":
            split = self._split(digest)
        return Document(
            file.ecosystem,
            file.package,
            file.version,
            file.licence,
            file.path,
            language_of(file.path),
            digest,
            split,
            text,
        )


def _unique(
    documents: Iterator[Document], held_out: list[Document], dropped: Counter[str]
) -> Iterator[Document]:
    """Those that are neither said before nor held out."""
    parts = [runs_of_lines(d.text) for d in held_out]
    kept_apart: Runs = np.unique(np.concatenate(parts)) if parts else np.empty(0, np.uint64)
    seen = {d.sha256 for d in held_out}
    near = NearDuplicates()
    for document in documents:
        if document.sha256 in seen:
            dropped["duplicate"] += 1
            continue
        seen.add(document.sha256)
        own = runs_of_lines(document.text)
        if len(own) and shared(own, kept_apart) > _OVERLAP * len(own):
            dropped["overlaps a held-out package"] += 1
        elif near.add(document.sha256, document.text) is not None:
            dropped["near duplicate"] += 1
        else:
            yield document


def _report(train: list[Document], held_out: list[Document], dropped: Counter[str]) -> dict[str, object]:
    def package(document: Document) -> str:
        return f"{document.ecosystem}: {document.package} {document.version} ({document.licence})"

    characters: Counter[str] = Counter()
    for document in train:
        characters[document.language] += len(document.text)
    return {
        "train_files": len(train),
        "train_characters": sum(characters.values()),
        "characters_by_language": dict(characters.most_common()),
        "held_out_files": len(held_out),
        "packages": Counter(map(package, train)),
        "held_out_packages": Counter(map(package, held_out)),
        "dropped": dict(dropped.most_common()),
    }
