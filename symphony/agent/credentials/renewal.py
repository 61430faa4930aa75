"""One login file, read and renewed; blocks on the disk and the network, so that a thread calls it.

Of a rotated refresh token there is one copy in the world once the server has answered. It goes to the
disk before anything else is done: into a file beside the login, whose room is taken before the server
is asked. A process that is killed after that loses nothing: whoever comes next finishes its work.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from symphony.agent.credentials.errors import (
    LoginExpired,
    LoginNotWritable,
    LoginRefused,
    LoginUnreachable,
    LoginUnreadable,
)
from symphony.agent.credentials.exchange import Exchange, Refused, Unreachable
from symphony.agent.credentials.lock import LockBusy, folder_locked, locked
from symphony.agent.credentials.login import (
    Document,
    Grant,
    Login,
    LoginFormat,
    NotALogin,
    from_ms,
    to_ms,
)
from symphony.host.durable import sync_folder, write_temporary

FILE_LIMIT = 1 << 20  # bytes; such files have a few thousand
PRIVATE = 0o600
ROOM = 65_536  # bytes for an answer, as many as one may have
LOOKS, LOOK_S = 4, 0.05  # a file that is just being written in place is whole at the next look


@dataclass(frozen=True, slots=True)
class LoginFile:
    """A login file of a user.

    Attributes:
        path: where it is.
        format: how it is read.
    """

    path: Path
    format: LoginFormat


def read_login(file: LoginFile) -> Login | None:
    """Return the login; None when the file is not there or holds none.

    Raises:
        LoginUnreadable: it is there and cannot be used.
    """
    return _read(file)[1]


def read_document(path: Path, login: str) -> Document:
    """Return the file's JSON object; empty when there is no file.

    Raises:
        LoginUnreadable: it is there and is no such thing.
    """
    for look in range(LOOKS):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise LoginUnreadable(path, _reason(error), login) from None
        try:
            with os.fdopen(descriptor, "rb") as opened:
                raw = opened.read(FILE_LIMIT + 1) or b""
        except OSError as error:
            raise LoginUnreadable(path, _reason(error), login) from None
        if len(raw) > FILE_LIMIT:
            raise LoginUnreadable(path, "it is too large for a login", login)
        try:
            document = json.loads(raw)
        except (ValueError, RecursionError):
            if look < LOOKS - 1:
                time.sleep(LOOK_S)
            continue
        if isinstance(document, dict):
            return document
        raise LoginUnreadable(path, "it is not a JSON object", login)
    raise LoginUnreadable(path, "it is not JSON", login)


def renew(
    file: LoginFile, due: Callable[[Login], bool], exchange: Exchange, now: Callable[[], datetime]
) -> Login | None:
    """Return the login, renewed if it is due; None when there is none.

    Raises:
        LoginUnreadable, LoginExpired, LoginRefused, LoginNotWritable: a person has to do something.
        LoginUnreachable: it may be different the next time.
    """
    login = read_login(file)
    if login is None or not (due(login) or _kept(file).exists()):
        return login
    real = LoginFile(file.path.resolve(), file.format)
    try:
        with locked(real.path, file.format.lock):
            return _renew(real, due, exchange, now)
    except LockBusy:
        raise LoginUnreachable(file.path, "another program renews it just now, and does not end") from None
    except OSError as error:
        raise LoginNotWritable(file.path, _reason(error)) from None


def _renew(
    file: LoginFile, due: Callable[[Login], bool], exchange: Exchange, now: Callable[[], datetime]
) -> Login | None:
    login = _settle(file)
    endpoint, ways = file.format.endpoint, file.format.login
    if login is None or not due(login):
        return login
    if endpoint is None:
        return login
    if not login.refresh:
        if login.lasts(now()):
            return login
        raise LoginExpired(file.path, login.expires_at, ways)
    with _room(file) as keep:
        try:
            grant = exchange(endpoint, file.format.request(login))
        except Refused as error:
            fresh = read_login(file)  # its program may have been quicker, without a lock
            if fresh is not None and fresh.refresh != login.refresh:
                return fresh
            raise LoginRefused(file.path, str(error), ways) from None
        except Unreachable as error:
            raise LoginUnreachable(file.path, str(error)) from None
        keep(login, grant, now())
    return _settle(file)


def _settle(file: LoginFile) -> Login | None:
    """Put an answer that was kept into the file, if the file still waits for it; return the login."""
    kept = _kept(file)
    with suppress(FileNotFoundError):
        answer = _answer_in(kept)
        with folder_locked(file.path.parent, file.format.write_lock):
            document, login = _read(file)
            if answer is not None and login is not None and _digest(login.refresh) == answer[0]:
                _, grant, at = answer
                _write(file.path, file.format.put(document, grant, at))
        _forget(kept)
    return _read(file)[1]


def _forget(kept: Path) -> None:
    kept.unlink()
    sync_folder(kept.parent)


def _read(file: LoginFile) -> tuple[Document, Login | None]:
    document = read_document(file.path, file.format.login)
    try:
        return document, file.format.read(document)
    except NotALogin as error:
        raise LoginUnreadable(file.path, str(error), file.format.login) from None


def _kept(file: LoginFile) -> Path:
    provider = f"-{file.format.provider}" if file.format.provider else ""
    return file.path.with_name(f".{file.path.name}{provider}.symphony-renewed")


Keep = Callable[[Login, Grant, datetime], None]


@contextmanager
def _room(file: LoginFile) -> Iterator[Keep]:
    """Take the room on the disk for an answer; what is not kept in it is taken away."""
    place = _kept(file)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE)
    kept = False

    def keep(login: Login, grant: Grant, at: datetime) -> None:
        nonlocal kept
        words = {"replaces": _digest(login.refresh), "at": to_ms(at), "answer": grant.answer()}
        _overwrite(descriptor, json.dumps(words).encode())
        kept = True

    try:
        _overwrite(descriptor, b"")
        sync_folder(place.parent)
        yield keep
    finally:
        os.close(descriptor)
        if not kept:
            place.unlink(missing_ok=True)


def _overwrite(descriptor: int, content: bytes) -> None:
    os.pwrite(descriptor, content.ljust(ROOM), 0)
    os.fsync(descriptor)


def _answer_in(place: Path) -> tuple[str, Grant, datetime] | None:
    """Return what a kept answer replaces, the grant, and when it came; None when it was never written."""
    try:
        words = json.loads(place.read_bytes())
        at = from_ms(words["at"]) or datetime.now(UTC)
        return str(words["replaces"]), Grant.of(words["answer"]), at
    except (ValueError, KeyError, TypeError, NotALogin):
        return None


def _write(path: Path, document: Document) -> None:
    content = json.dumps(document, indent=2).encode()
    temporary = write_temporary(path.parent, content, PRIVATE)
    try:
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
