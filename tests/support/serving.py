"""HTTP servers of the tests' own: run beside a test, and what comes in read."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import BaseServer

ENDS_S = 10.0  # only a request that hangs takes as long


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    """Serve in a thread while the block runs."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(ENDS_S)
        server.server_close()


def read_body(request: BaseHTTPRequestHandler) -> bytes:
    """Return all of a request's body, whether its length was told or it comes in chunks."""
    if request.headers.get("Transfer-Encoding") != "chunked":
        return request.rfile.read(int(request.headers.get("Content-Length") or 0))
    parts = []
    while size := int(request.rfile.readline(), 16):
        parts.append(request.rfile.read(size))
        request.rfile.readline()
    request.rfile.readline()
    return b"".join(parts)
