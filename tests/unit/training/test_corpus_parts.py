"""The parts of the corpus: where files come from, what is taken out of them, what counts as the same."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.corpus import sources
from training.corpus.benchmarks import Benchmarks, texts_in
from training.corpus.duplicates import NearDuplicates, runs_of_lines
from training.corpus.filters import judge
from training.corpus.runs import runs_of, shared
from training.corpus.scrub import scrub
from training.recipe import Recipe, Run

MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy"
CODE = "def area(width, height):\n    return width * height  # in square metres\n" * 6


def tarball(path: Path, files: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


def paths(found: object) -> list[str]:
    return [file.path for file in found]


def test_a_package_of_npm_is_read_from_its_tarball(recipe: Recipe, run: Run) -> None:
    about = json.dumps({"name": "kind", "version": "2.0", "license": "MIT"})
    tarball(run.root / "npm" / "kind-2.0.tgz", {"package/package.json": about, "package/src/a.ts": "let a;"})
    files = list(sources.npm(recipe.corpus, run, "kind"))
    assert [(f.path, f.version, f.licence) for f in files if f.path.endswith(".ts")] == [
        ("src/a.ts", "2.0", "MIT")
    ]


def test_a_package_of_npm_under_another_licence_is_refused(recipe: Recipe, run: Run) -> None:
    about = json.dumps({"license": {"type": "GPL-3.0"}})
    tarball(run.root / "npm" / "other-1.0.tgz", {"package/package.json": about})
    with pytest.raises(sources.RefusedError, match=r"GPL-3\.0"):
        list(sources.npm(recipe.corpus, run, "other"))


COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2020 Someone
License: Expat

Files: src/copied/*
Copyright: 2019 Another
License: GPL-2+

License: Expat
 Permission is hereby granted

License: GPL-2+
 On Debian systems see /usr/share/common-licenses/GPL-2
"""


@pytest.mark.parametrize(
    "line", ["deb {} sid main", "deb [arch=amd64] {} sid main", "Types: deb\nURIs: {}\nSuites: sid"]
)
def test_debian_packages_come_from_the_mirror_that_apt_uses(tmp_path: Path, line: str) -> None:
    pytest.importorskip("debian", reason="needs python-debian (extra 'training')")
    from training.corpus.debian import mirror

    with pytest.raises(FileNotFoundError, match="no Debian mirror"):
        mirror(tmp_path)
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://example.com/debian-security sid main\n")
    (tmp_path / "sources.list.d" / "a.list").write_text(line.format("http://example.com/debian") + "\n")
    assert mirror(tmp_path) == "http://example.com/debian"


def test_a_debian_source_package_is_licensed_file_by_file(recipe: Recipe, run: Run) -> None:
    pytest.importorskip("debian", reason="needs python-debian (extra 'training')")
    folder = run.root / "debian"
    tarball(
        folder / "kind_1.2.orig.tar.gz", {"kind-1.2/src/a.c": "int a;", "kind-1.2/src/copied/b.c": "int b;"}
    )
    tarball(folder / "kind_1.2-3.debian.tar.gz", {"debian/copyright": COPYRIGHT, "debian/rules.c": "int c;"})
    files = list(sources.debian_source(recipe.corpus, run, "kind"))
    assert [(f.path, f.licence) for f in files] == [("src/a.c", "MIT")]


def test_a_source_archive_in_the_run_folder_is_read_without_running_anything(
    recipe: Recipe, run: Run
) -> None:
    about = "Metadata-Version: 2.4\nName: kind\nVersion: 3.0\nLicense-Expression: MIT\n"
    files = {
        "kind-3.0/PKG-INFO": about,
        "kind-3.0/setup.py": "raise SystemExit",
        "kind-3.0/src/kind.py": CODE,
    }
    tarball(run.sdists / "kind-3.0.tar.gz", files)
    assert "src/kind.py" in paths(sources.sdist(recipe.corpus, run, "kind"))


def test_a_folder_is_read_by_the_servers_rules_and_its_licence_file_decides(
    recipe: Recipe, run: Run, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "a.py").write_text(CODE)
    (project / "b.py").write_text(CODE)
    (project / ".gitignore").write_text("b.py\n")
    with pytest.raises(sources.RefusedError, match="unknown"):
        list(sources.folder(recipe.corpus, run, str(project)))
    assert paths(sources.folder(replace(recipe.corpus, own_code=True), run, str(project))).count("a.py") == 1
    (project / "LICENSE").write_text(
        "Permission is hereby granted, free of charge, to any person obtaining a copy"
    )
    found = list(sources.folder(recipe.corpus, run, str(project)))
    assert [(f.path, f.licence) for f in found if f.path.endswith(".py")] == [("a.py", "MIT")]


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("pkg/a.py", CODE, ""),
        ("pkg/third_party/a.py", CODE, "vendored"),
        ("pkg/dist/a.js", CODE, "generated"),
        ("pkg/a.d.ts", CODE, "generated"),
        ("pkg/a.py", "# Code generated by a tool. DO NOT EDIT.\n" + CODE, "generated"),
        ("pkg/a.py", CODE + "x = '" + "ab" * 300 + "'\n", "minified or data"),
        ("pkg/a.py", "DATA = [\n" + "    12, 34, 56,\n" * 40 + "]\n", "mostly data"),
        ("pkg/a.py", CODE + 'token = "ghp_' + "a1B2" * 9 + '"\n', "secret"),
        ("pkg/secretlib/a.py", CODE, "named like a held-out package"),
        ("pkg/notes.txt", CODE, "other language"),
    ],
)
def test_a_file_is_kept_or_dropped_for_a_reason(recipe: Recipe, path: str, text: str, reason: str) -> None:
    assert judge(recipe.corpus, path, text.encode(), frozenset({"secretlib"}))[0] == reason


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("# Mail jane.doe@company.org!", "# Mail user@example.com!"),
        ("send('me@example.com')", "send('me@example.com')"),
        ("@decorator.with_dots", "@decorator.with_dots"),
        ('__author__ = "Jane Doe"', '__author__ = "The authors"'),
        (" * @author Jane Doe", " * @author The authors"),
        ("# Copyright 2019-2021 Jane Doe", "# Copyright 2019-2021 The authors"),
        ("call('+49 89 1234 5678')", "call('+1 555 0100')"),
        ("host = '81.169.145.66'", "host = '192.0.2.1'"),
        ("host = '127.0.0.1'", "host = '127.0.0.1'"),
        ("version = '300.1.2.3'", "version = '300.1.2.3'"),
    ],
)
def test_personal_data_is_replaced_by_what_has_its_form(text: str, clean: str) -> None:
    assert scrub(text) == (clean, int(text != clean))


def function(name: str, count: int) -> str:
    return "".join(f"def {name}_{i}(value):\n    return value + {i} * scale\n\n" for i in range(count))


def test_nearly_equal_texts_are_found_and_different_ones_are_not() -> None:
    near = NearDuplicates()
    assert near.add("a", function("first", 30)) is None
    assert near.add("b", function("first", 30).replace("_7(", "_seven(")) == "a"
    assert near.add("c", "".join(f"class C{i}:\n    name = {i!r}\n" for i in range(60))) is None


def test_shared_runs_are_counted_once_and_do_not_depend_on_the_process() -> None:
    runs = runs_of(list("abcdabc"), 3)
    assert len(runs) == 4
    assert shared(runs, runs_of(list("xabc"), 3)) == 1
    assert shared(runs, np.empty(0, np.uint64)) == 0
    assert runs_of(["only"], 3).tolist() == []
    assert int(runs_of(list("abc"), 3)[0]) == 4331407767864789526


def test_runs_of_lines_ignore_indentation_and_imports() -> None:
    lines = [f"value_{i} = compute({i})" for i in range(6)]
    plain = runs_of_lines("import os\n" + "\n".join(lines))
    deeper = runs_of_lines("\n".join(f"    {line}" for line in lines))
    assert len(plain) == 3
    assert plain.tolist() == deeper.tolist()


def test_a_file_that_shares_a_run_of_words_with_a_benchmark_is_kept_out(tmp_path: Path) -> None:
    problem = {"prompt": "Given the number of planets orbiting a star, return the sum of all distances"}
    wheel = tmp_path / "bench-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("bench/data.jsonl.gz", gzip.compress(json.dumps(problem).encode()))
    benchmarks = Benchmarks(texts_in(wheel), ngram=8)
    assert benchmarks.touches("# the number of planets, orbiting a star; return the sum of it\n")
    assert not benchmarks.touches("# the number of moons around a planet\n")
    assert benchmarks.touches("from human_eval.data import read_problems")
