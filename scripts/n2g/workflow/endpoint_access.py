"""What it takes to reach the endpoint of `explain`: its URL, a key, and the way there. Checked before any job."""

from __future__ import annotations

import os
import re
from ipaddress import IPv6Address
from urllib.parse import urlsplit

from n2g.errors import ConfigError, InputError
from n2g.texts.network import check_network

# The client sends these, too, as headers.
_IDENTIFIERS = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")


def endpoint_key(url: str, variable: str | None) -> str:
    """The key for an endpoint from the environment, or "" where none is set.

    Args:
        url: explain.base_url.
        variable: explain.key.

    Raises:
        InputError: the URL, the key, or what the environment says about the network cannot be used.
    """
    _check_url(url)
    check_network()
    for name in _IDENTIFIERS:
        if not _fits_header(os.environ.get(name, "")):
            raise InputError(
                f"{name}: has a space, a line end or a character that is not ASCII: correct or unset it."
            )
    key = os.environ.get(variable, "").strip() if variable else ""
    if not _fits_header(key) or key[:1] in ("'", '"'):
        raise InputError(
            f"explain.key: {variable} holds more than a key (a space, quotation marks or a sign that is not ASCII): "
            "set it to the key alone."
        )
    return key


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError("it names no host")
        if parts.netloc.startswith("["):
            IPv6Address(parts.hostname)
        if parts.port == 0:
            raise ValueError("it names port 0")
        if re.search(r"[\s\x00-\x1f\x7f]", url):  # which urlsplit drops or passes over
            raise ValueError("it has a space or a line end")
    except ValueError as error:
        raise ConfigError(
            f"explain.base_url: {url!r} is not a URL ({error}): write it as http://HOST:PORT/v1."
        ) from error


def _fits_header(value: str) -> bool:
    return re.fullmatch(r"[!-~]*", value) is not None
