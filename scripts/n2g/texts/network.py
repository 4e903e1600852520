"""What the environment says about the way to other machines: proxies and certificates.

Libraries read these variables by themselves, and end with errors of their own where one cannot be used.
"""

from __future__ import annotations

import os
import ssl
from importlib.util import find_spec
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from n2g.errors import InputError


def check_network() -> None:
    """Raise InputError, which names the variable, where a proxy or a file of certificates cannot be used.

    The sentence does not repeat a proxy's URL, which may hold a password.
    """
    proxies = getproxies_environment()
    if "*" not in (host.strip() for host in proxies.get("no", "").split(",")):
        for scheme in ("http", "https", "all"):
            if proxies.get(scheme):
                _check_proxy(_variable(f"{scheme}_proxy"), proxies[scheme])
    if file := os.environ.get("SSL_CERT_FILE"):
        try:
            ssl.create_default_context(cafile=file)
        except OSError as error:
            raise InputError(
                f"SSL_CERT_FILE: {file} is no file of certificates ({error.strerror}): correct this variable, or unset "
                "it."
            ) from error


def proxy_for(url: str) -> str | None:
    """The variable that names the proxy through which libraries reach a URL; None where they reach it directly."""
    parts, proxies = urlsplit(url), getproxies_environment()
    if proxy_bypass(parts.hostname or ""):
        return None
    return next((_variable(f"{kind}_proxy") for kind in (parts.scheme, "all") if proxies.get(kind)), None)


def _check_proxy(variable: str, proxy: str) -> None:
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        usable = bool(parts.hostname) and parts.port != 0 and proxy.isprintable() and " " not in proxy
    except ValueError:
        usable = False
    if not usable:
        raise InputError(
            f"{variable}: is not the URL of a proxy: write it as http://HOST:PORT, or unset this variable."
        )
    socks = ("socks5", "socks5h") if find_spec("socksio") else ()
    if parts.scheme not in ("http", "https", *socks):
        raise InputError(
            f"{variable}: names a proxy of the kind {parts.scheme}, and only http and https are supported: name one of "
            "these, or unset this variable."
        )


def _variable(name: str) -> str:
    """The name as it is written in the environment: the lower case counts where there are both."""
    return next(
        found
        for found in (name, name.upper(), *os.environ)
        if os.environ.get(found) and found.lower() == name
    )
