"""Which licence a package has, from its own metadata, and whether a recipe allows it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.message import Message

_CLASSIFIERS = {
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "BSD License": "BSD",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Zero-Clause BSD (0BSD)": "0BSD",
}
_FREE_TEXT = (
    (re.compile(r"^(the )?mit( license)?$", re.I), "MIT"),
    (re.compile(r"^(new |modified |simplified )?bsd([ -][23][ -]?clause)?( license)?$", re.I), "BSD"),
    (
        re.compile(r"^apache([ -](software )?(license)?[, ]*(version )?v?2(\.0)?)?( license)?$", re.I),
        "Apache-2.0",
    ),
    (re.compile(r"^isc( license)?$", re.I), "ISC"),
    (re.compile(r"^(psf|python software foundation license|psf-2\.0)$", re.I), "PSF-2.0"),
)
_TEXTS = (
    ("Permission is hereby granted, free of charge, to any person obtaining a copy", "MIT"),
    ("Redistribution and use in source and binary forms, with or without", "BSD"),
    ("Apache License", "Apache-2.0"),
    ("Permission to use, copy, modify, and/or distribute this software for any purpose", "ISC"),
)
COPYLEFT = re.compile(
    r"\b(?:A|L)?GPL\b|General Public License|Mozilla Public License|\bMPL-|\bEUPL\b|Creative Commons|\bCC-BY"
    r"|SPDX-License-Identifier:\s*(?:GPL|LGPL|AGPL|MPL|EPL|CDDL)",
    re.I,
)


def licence_of(metadata: Message, licence_texts: Iterable[str]) -> tuple[str, str]:
    """``(licence, evidence)``; licence is "" where none can be told. An expression beats all else."""
    expression = metadata.get("License-Expression", "").strip()
    if expression:
        return expression, "License-Expression"
    classifiers = [c for c in metadata.get_all("Classifier", []) if c.startswith("License ::")]
    named = {c.rsplit(" :: ", 1)[1] for c in classifiers} - {"OSI Approved"}
    if named:
        known = sorted(_CLASSIFIERS.get(n, n) for n in named)
        return " AND ".join(known), "classifier"
    text = metadata.get("License", "").strip()
    for pattern, name in _FREE_TEXT:
        if pattern.match(text):
            return name, "License field"
    name = licence_of_text(licence_texts)
    return (name, "licence file") if name else ("", "none found")


def licence_of_text(texts: Iterable[str]) -> str:
    """The licence that the first known text among ``texts`` is, "" for a copyleft one or none."""
    for body in texts:
        if COPYLEFT.search(body[:400]):
            return ""
        flat = " ".join(body[:3000].split())
        for opening, name in _TEXTS:
            if opening in flat:
                return name
    return ""


def allowed(licence: str, allow_list: Iterable[str]) -> bool:
    """Every AND-part must be allowed; of an OR one part is enough. ``WITH`` exceptions are not understood."""
    names = set(allow_list)
    if not licence:
        return False
    parts = re.split(r"\s+AND\s+", licence.replace("(", "").replace(")", ""), flags=re.I)
    return all(any(o.strip() in names for o in re.split(r"\s+OR\s+", part, flags=re.I)) for part in parts)
