"""Where a remote engine is and how it is asked."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

API_KEY_VARIABLE = "MELLUM_LSP_API_KEY"
_KEYRING_SERVICE = "mellum-lsp"


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """``url`` is the server's address with or without ``/v1``; ``model`` one that it serves, "" its first.

    ``dialect`` names how the model wants to be asked, "" to tell it from the model's name;
    ``api_key_variable`` is the environment variable that holds the key. Times in seconds.
    """

    url: str
    model: str = ""
    dialect: str = ""
    api_key_variable: str = API_KEY_VARIABLE
    connect_seconds: float = 3.0
    silence_seconds: float = 30.0
    """A server that sends nothing for so long is taken for gone."""

    @property
    def base(self) -> str:
        """The address that ``/completions`` is appended to; raises `ValueError` where it is none."""
        parts = urlsplit(self.url if "//" in self.url else f"http://{self.url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.url!r} is not the address of a server, such as http://team-gpu:8000/v1")
        path = parts.path.rstrip("/")
        return f"{parts.scheme}://{parts.netloc}{path if path.endswith('/v1') else f'{path}/v1'}"

    @property
    def is_this_machine(self) -> bool:
        """Whether the address is a loopback one, so that code stays on this machine."""
        host = urlsplit(self.base).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")

    def api_key(self, environment: Mapping[str, str] | None = None) -> str:
        """The key from the environment, else from the system's keyring if that package is there, else ""."""
        variables = os.environ if environment is None else environment
        return variables.get(self.api_key_variable, "").strip() or _from_keyring(self.base)


def _from_keyring(address: str) -> str:
    try:
        import keyring
    except ImportError:
        return ""
    try:
        return keyring.get_password(_KEYRING_SERVICE, address) or ""
    except Exception:  # a desktop's keyring fails in many ways, and none of them is a reason not to start
        return ""
