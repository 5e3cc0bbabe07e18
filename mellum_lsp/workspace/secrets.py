"""Paths and texts that look like secrets: they are never read into the index, and so never into a prompt."""

from __future__ import annotations

import re

_NAMES = re.compile(
    r"""(?ix) ^(?:
      \.env(?:\..*|rc)? | .*\.env | \.netrc | _netrc | \.pgpass | \.htpasswd | \.npmrc
    | \.pypirc | \.dockercfg
    | \.git-credentials | \.my\.cnf | \.s3cfg | \.boto | \.vault[-_]?token | \.terraformrc | \.kube\.?config
    | kubeconfig(?:\..*)? | .*\.kubeconfig | .*\.tfstate(?:\..*)? | .*\.(?:auto\.)?tfvars(?:\.json)?
    | .*\.(?:pem|key|p12|pfx|jks|keystore|asc|gpg|pgp|kdbx?|ppk|ovpn|der|crt\.key|p8|pkcs12|mobileprovision)
    | id_(?:rsa|dsa|ecdsa|ed25519)(?:\..*)? | .*_rsa | .*_ed25519
    | credentials?(?:\.(?:json|ya?ml|toml|ini|cfg|conf|txt|xml|csv|properties|db))?
    | secrets?(?:\.(?:json|ya?ml|toml|ini|cfg|conf|txt|xml|csv|properties|env|local.*))?
    | (?:.*[-_.])?(?:client|app)[-_.]?secrets?(?:[-_.].*)?\.json
    | .*service[-_]?account.*\.json | .*[-_.](?:secrets?|credentials?)\.(?:json|ya?ml|toml|ini|env|properties)
    | (?:passwords?|passwd|shadow|htpasswd)(?:\.(?:txt|json|ya?ml|csv|ini|conf))?
    | .*\.(?:vault|sops)\.(?:ya?ml|json) | master\.key | .*\.agekey
    )$"""
)
_HARMLESS = re.compile(r"(?i)^\.env\.(?:example|sample|template|dist|defaults?)$")
_FOLDERS = re.compile(
    r"(?i)^(?:\.ssh|\.aws|\.gnupg|\.azure|\.gcloud|\.kube|\.docker|\.password-store|\.secrets?)$"
)

_CONTENTS = re.compile(
    r"""(?x)
      -----BEGIN\ (?:[A-Z0-9]+\ )*PRIVATE\ KEY(?:\ BLOCK)?-----\s*\n\s*(?:[A-Za-z0-9+/=:,\- ]{16,}\s*\n|\s*\n)
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b
    | \bgh[pousr]_[A-Za-z0-9]{36,}\b | \bgithub_pat_[A-Za-z0-9_]{60,}
    | \bglpat-[A-Za-z0-9_\-]{20,}
    | \bxox[abeoprs]-[A-Za-z0-9-]{20,}
    | \bsk-(?:ant-|proj-)?[A-Za-z0-9_\-]{40,}
    | \b[sr]k_live_[A-Za-z0-9]{20,}
    | \bAIza[0-9A-Za-z_\-]{35}\b
    | \bya29\.[0-9A-Za-z_\-]{60,}
    | \bSG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43}\b
    | \bnpm_[A-Za-z0-9]{36}\b | \bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_\-]{50,} | \bhf_[A-Za-z0-9]{34,}\b
    | \bAGE-SECRET-KEY-1[0-9A-Z]{50,}
    | "private_key"\s*:\s*"-----BEGIN
    | (?i:aws_secret_access_key|aws_session_token)["']?\s*[:=]\s*["']?[A-Za-z0-9/+=]{40}
    """
)
# A text without any of these cannot match above; looking for them is thirty times as fast.
_SIGNS = (
    "PRIVATE KEY", "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox",
    "sk-", "k_live_", "AIza", "ya29.", "SG.", "npm_", "pypi-", "hf_", "AGE-SECRET", "private_key",
)  # fmt: skip
_AWS_SIGNS = ("aws_secret", "aws_session", "AWS_SECRET", "AWS_SESSION")

# Names like "secret" are common, long values are not: so the value is looked for first, then its name.
_LONG_VALUE = re.compile(r"[:=](?=\s*[\"']?([A-Za-z0-9+/_=\-]{24,}))")
_SECRET_NAME = re.compile(
    r"(?ix)(?:password|passwd|secret|api[_-]?key|access[_-]?key|auth[_-]?token|private[_-]?key)[a-z0-9_]*"
    r"[\"']?\s*\Z"
)
_LONGEST_NAME = 200


def is_secret_path(path: str) -> bool:
    """Whether a path (with ``/``) is one that by its name holds secrets."""
    *folders, name = path.replace("\\", "/").split("/")
    if any(_FOLDERS.match(folder) for folder in folders):
        return True
    return bool(_NAMES.match(name)) and not _HARMLESS.match(name)


def holds_secret(text: str) -> bool:
    """Whether a text contains what looks like a real key, token or password."""
    if any(sign in text for sign in (*_SIGNS, *_AWS_SIGNS)) and _CONTENTS.search(text):
        return True
    return any(
        _looks_random(match.group(1))
        and _SECRET_NAME.search(text, max(0, match.start() - _LONGEST_NAME), match.start())
        for match in _LONG_VALUE.finditer(text)
    )


def _looks_random(value: str) -> bool:
    """Upper and lower case and several digits mixed, as in keys; words and placeholders are not so."""
    digits = sum(character.isdigit() for character in value)
    return (
        digits >= 4
        and digits < len(value)
        and value.lower() != value
        and value.upper() != value
        and len(set(value)) >= 14
    )
