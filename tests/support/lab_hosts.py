"""Hosts of the tests' own under public names and addresses: inside the lab, which is thrown away.

Their names, addresses and certificates are made up; on a machine of somebody's own nothing like that
is done.
"""

import os
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingUDPServer

import pytest

from tests.support.microvm import BOUND_S
from tests.support.serving import serving

ONLY_IN_THE_LAB = pytest.mark.skipif(
    "SYMPHONY_LAB" not in os.environ,
    reason="needs public addresses and a resolver of its own: only in the lab",
)
RESOLVER = "93.184.216.53"


@dataclass(frozen=True, slots=True)
class Hosts:
    """What makes a server one of the hosts.

    Attributes:
        tls: shows a certificate for all of their names.
        authority: a file with the certificate of who signed it.
    """

    tls: ssl.SSLContext
    authority: Path


@contextmanager
def open_hosts(addresses: Mapping[str, str], place: Path) -> Iterator[Hosts]:
    """Give this machine the addresses, and let their names lead there and no other name anywhere."""
    for address in {*addresses.values(), RESOLVER}:
        # twice when a test is tried again
        subprocess.run(["ip", "addr", "replace", f"{address}/32", "dev", "lo"], check=True)
    Path("/etc/resolv.conf").write_text(f"nameserver {RESOLVER}\n")
    with serving(ThreadingUDPServer((RESOLVER, 53), resolving(addresses))):
        yield make_hosts(tuple(addresses), place)


def resolving(addresses: Mapping[str, str]) -> type[BaseRequestHandler]:
    """Return what answers for these names and for no other."""

    class Resolve(BaseRequestHandler):
        def handle(self) -> None:
            query, socket = self.request
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1 : at + 1 + query[at]].decode())
                at += 1 + query[at]
            question = query[12 : at + 5]
            address = addresses.get(".".join(labels).lower())
            wants_v4 = query[at + 1 : at + 3] == b"\0\1"
            head = query[:2] + (b"\x81\x80" if address else b"\x81\x83") + b"\0\1"
            if address is None or not wants_v4:
                socket.sendto(head + b"\0\0\0\0\0\0" + question, self.client_address)
                return
            data = bytes(map(int, address.split(".")))
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + data
            socket.sendto(head + b"\0\1\0\0\0\0" + question + answer, self.client_address)

    return Resolve


def make_hosts(names: tuple[str, ...], place: Path) -> Hosts:
    """Make a certificate for the names, signed by an authority of the tests' own.

    The engine takes no certificate of an authority as that of a host.
    """
    authority, key, pem = place / "ca.pem", place / "key.pem", place / "host.pem"
    authority_key = place / "ca.key"
    _certify("-subj", "/CN=authority", "-keyout", str(authority_key), "-out", str(authority))
    signed = ["-CA", str(authority), "-CAkey", str(authority_key), "-subj", "/CN=host"]
    alternatives = ",".join(f"DNS:{name}" for name in names)
    extensions = [f"subjectAltName={alternatives}", "basicConstraints=critical,CA:FALSE"]
    added = [word for extension in extensions for word in ("-addext", extension)]
    _certify(*signed, *added, "-keyout", str(key), "-out", str(pem))
    authority.chmod(0o644)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem, key)
    return Hosts(tls, authority)


def _certify(*words: str) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *words]
    subprocess.run(command, check=True, capture_output=True, timeout=BOUND_S)
