"""Lines cut out of a byte stream in bounded memory; used for the agent's stdout and stderr."""


class LineTooLong(Exception):
    """A line is longer than the limit, and its end is not in sight."""


class LineBuffer:
    """Collects chunks and gives out whole lines without their line feed."""

    def __init__(self, limit_bytes: int, *, cut: bool = False) -> None:
        """Hold at most `limit_bytes` of one line; `cut` gives out longer ones in pieces."""
        self._limit = limit_bytes
        self._cut = cut
        self._pending = bytearray()
        self._searched = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that this chunk completes.

        Raises:
            LineTooLong: a line exceeds the limit and is not to be cut; the buffer is empty then.
        """
        self._pending += chunk
        lines: list[bytes] = []
        start = 0
        while (end := self._pending.find(b"\n", max(start, self._searched))) >= 0:
            lines += self._pieces(bytes(self._pending[start:end]))
            start = end + 1
            self._searched = start
        del self._pending[:start]
        self._searched = len(self._pending)
        if len(self._pending) > self._limit:
            rest = bytes(self._pending)
            self._drop()
            lines += self._pieces(rest)
        return lines

    def rest(self) -> list[bytes]:
        """Return what is left when the stream has ended."""
        rest = bytes(self._pending)
        self._drop()
        return self._pieces(rest) if rest else []

    def _pieces(self, line: bytes) -> list[bytes]:
        if len(line) <= self._limit:
            return [line]
        if not self._cut:
            self._drop()
            raise LineTooLong
        return [line[at : at + self._limit] for at in range(0, len(line), self._limit)]

    def _drop(self) -> None:
        self._pending.clear()
        self._searched = 0
