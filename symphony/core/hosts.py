"""Names of hosts that a guest may be let out to; those of one's own network never are.

People type these names and guests try them, so that any text may come in. What a public name
resolves to is the sandbox driver's to check: nothing here looks a name up.
"""

import ipaddress
import re
from typing import Final, NoReturn, TypeAlias
from urllib.parse import urlsplit

from symphony.core.errors import SymphonyError
from symphony.core.text import one_line

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

NAME_LIMIT: Final = 253  # characters of a name in the DNS
SHOWN: Final = 80  # characters of a text that is no name
LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")  # resolvers read 127.1 and 0x7f.1 as addresses
LOCAL_SUFFIXES: Final = frozenset({"localhost", "local", "internal", "lan", "home", "arpa", "onion"})
CLOUD_ADDRESSES: Final = frozenset({"168.63.129.16"})  # public by its number, Azure's host by its use
PUBLIC_ONLY: Final = "A guest is let out to public hosts only."


class HostRefused(SymphonyError):
    """A text that names no host, or one that is never opened.

    Codes: `invalid_host`, `access_never`.
    """

    code = "invalid_host"


def parse_host(text: str) -> str:
    """Return the name in lower case and ASCII, or the address in its one usual form.

    Raises:
        HostRefused: `invalid_host` for what is no bare name or address; `access_never` for
            private, loopback, link-local, metadata and other addresses that are not public, and
            for names of a local network.
    """
    given = text.strip()
    if not given:
        raise HostRefused("The host is empty.", remedy="Give a name such as pypi.org.")
    if (address := _address_of(given)) is not None:
        if not _is_public(address):
            raise HostRefused(
                f"{address} is never opened: it is a private, local or metadata address.",
                code="access_never",
                remedy=PUBLIC_ONLY,
            )
        return str(address)
    name = _name_of(given)
    if name is None:
        _refuse(given)
    if "." not in name or name.rpartition(".")[2] in LOCAL_SUFFIXES:
        raise HostRefused(
            f"{name} is never opened: it is a name of a local network.",
            code="access_never",
            remedy=PUBLIC_ONLY,
        )
    return name


def _address_of(text: str) -> Address | None:
    if "%" in text:  # a zone is of this machine
        return None
    try:
        return ipaddress.ip_address(text.removeprefix("[").removesuffix("]") if text[:1] == "[" else text)
    except ValueError:
        return None


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is not None:
            return _is_public(inner)
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and str(address) not in CLOUD_ADDRESSES
    )


def _name_of(text: str) -> str | None:
    """Return the name in ASCII, None for what is no name."""
    if len(text) > NAME_LIMIT:
        return None
    try:
        name = text.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        return None
    labels = name.split(".")
    if len(name) > NAME_LIMIT or not all(LABEL.fullmatch(label) for label in labels):
        return None
    return None if NUMBER.fullmatch(labels[-1]) else name


def _refuse(text: str) -> NoReturn:
    remedy = "Give a name such as pypi.org."
    if "*" in text:
        remedy = "Give each name in full; there are no patterns."
    elif (bare := _bare(text)) is not None:
        remedy = f"Give the name alone, without scheme, port and path: {bare}."
    raise HostRefused(f'"{one_line(text, SHOWN)}" is no host name.', remedy=remedy)


def _bare(text: str) -> str | None:
    """Return the name in a URL, or in `name:port` and the like."""
    try:
        host = urlsplit(text if "://" in text else f"//{text}").hostname
        return _name_of(host) if host is not None and "." in host else None
    except ValueError:
        return None
