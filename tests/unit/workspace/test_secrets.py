# ruff: noqa: E501
"""What looks like a secret, by name or by content, and what only resembles one."""

from __future__ import annotations

import pytest

from mellum_lsp.workspace.secrets import holds_secret, is_secret_path

RANDOM = "hJ8kQ2mZx7Lw4Rt9Vb3Nc6Yd1Ps5Gf0A"


@pytest.mark.parametrize(
    "path",
    [
        ".env", "app/.env.production", ".env.local", "prod.env", ".envrc", ".netrc", "keys/server.pem", "tls.key",
        "id_rsa", "home/.ssh/config", ".aws/credentials", "credentials.json", "config/secrets.yml", "kubeconfig",
        "x/terraform.tfstate", "terraform.tfstate.backup", "prod.tfvars", "store.jks", "client_secret_12.json",
        ".npmrc", ".pypirc", "id_ed25519", "my-service-account.json", "db.credentials.json", ".git-credentials",
        "vault.kdbx", ".htpasswd", "passwords.txt", "config/master.key", "a\\b\\.env",
    ],
)  # fmt: skip
def test_secret_paths(path: str) -> None:
    assert is_secret_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "src/secrets.py", "credentials.go", "keyboard.ts", "env.py", ".env.example", ".env.sample", "key.rs",
        "tokenizer.json", "password_form.tsx", "docs/secrets.md", "monkey.py", "environment.yml", "main.tf",
    ],
)  # fmt: skip
def test_ordinary_paths(path: str) -> None:
    assert not is_secret_path(path)


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA7bq98Nn0" * 2 + "\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "b3BlbnNzaC1rZXktdjEAAAAA" * 2 + "\n",
        "aws = 'AKIA" + "IOSFODNN7EXAMPL2'",
        "token: ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
        "SLACK = 'xoxb-" + "123456789012-abcdefABCDEF123456'",
        "stripe.api_key = 'sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc'",
        f'PASSWORD = "{RANDOM}"',
        f"api_key: {RANDOM}",
        f"export AUTH_TOKEN={RANDOM}",
        'AWS_SECRET_ACCESS_KEY="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"',
        '{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\\nMIIE"}',
    ],
)
def test_secret_contents(text: str) -> None:
    assert holds_secret("first line\n" + text + "\nlast line\n")


@pytest.mark.parametrize(
    "text",
    [
        "if '-----BEGIN RSA PRIVATE KEY-----' in text:\n    raise ValueError\n",
        "password = os.environ['DATABASE_PASSWORD']",
        "api_key = get_api_key_from_the_configuration_file()",
        "secret_key = 'change-me-in-production-please-now'",
        "sha = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
        "PRIVATE_KEY_HEADER = b'BEGIN PRIVATE KEY'",
        "access_key_id_of_the_user = compute_access_key_identifier",
    ],
)
def test_ordinary_contents(text: str) -> None:
    assert not holds_secret(text)
