"""HTTP/1.1 server: a thread for each connection, kept alive, with limits on everything that a client sends.

Not `http.server`: its reader of headers (that of mail) takes longer than a prediction. Nor a new thread for each
connection: the one that accepts it answers too, while another waits for the next ("leader and followers"), so that no
request waits for a thread to begin.
"""

import contextlib
import socket
import threading
from http import HTTPStatus

from slipcast_host.application import Application
from slipcast_host.exchange import Reply
from slipcast_host.problem import Refusal

MAX_HEAD = 32 * 1024
MAX_BODY = 100 * 2**20
MAX_CONNECTIONS = 512
# Threads that wait for a connection; with fewer, one that follows quickly would wait for a new thread.
SPARE_THREADS = 4
IDLE_SECONDS = 75.0
READ_SECONDS = 60.0
_PHRASES = {item.value: item.phrase for item in HTTPStatus}


class _Closed(Exception):
    """The client is gone, or sends nothing more."""


class Server:
    """Server of an application.

    Parameters
    ----------
    application
        gives the answers
    host, port
        address to listen at; port 0 takes a free one
    """

    def __init__(self, application: Application, host: str, port: int) -> None:
        self._application = application
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=512, reuse_port=False)
        self.port: int = self._listener.getsockname()[1]
        self._connections: set[socket.socket] = set()
        self._busy = 0
        self._threads = self._waiting = 0
        self._changed = threading.Condition()
        self._stopping = False

    def serve(self) -> None:
        """Answer until `stop` is called."""
        with self._changed:
            self._threads = 1
        self._work()
        with self._changed:
            self._changed.wait_for(lambda: self._stopping)

    def _work(self) -> None:
        """Accept connections and answer on them, until enough other threads wait for one."""
        while True:
            with self._changed:
                if self._stopping or self._waiting >= SPARE_THREADS:
                    self._threads -= 1
                    return
                self._waiting += 1
            try:
                connection, _ = self._listener.accept()
            except OSError:
                # The listener is closed, or there are no file descriptors left for a moment.
                with self._changed:
                    self._waiting -= 1
                    self._changed.wait_for(lambda: self._stopping, 0.01)
                continue
            with self._changed:
                self._waiting -= 1
                follow = not self._waiting and self._threads < MAX_CONNECTIONS
                self._threads += follow
            if follow:
                threading.Thread(target=self._work, daemon=True).start()
            self._converse(connection)

    def stop(self, seconds: float = 20.0) -> None:
        """Take no new connection, answer the requests that were begun for up to `seconds`, and close."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        # Wakes up `accept`.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            self._changed.wait_for(lambda: self._busy == 0, seconds)
            for connection in self._connections:
                connection.close()

    def _converse(self, connection: socket.socket) -> None:
        with self._changed:
            self._connections.add(connection)
        try:
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                reader = _Reader(connection)
                while not self._stopping and self._exchange(connection, reader):
                    pass
        except (OSError, _Closed):
            # The client is gone: nobody is left to answer.
            return
        finally:
            with self._changed:
                self._connections.discard(connection)

    def _exchange(self, connection: socket.socket, reader: "_Reader") -> bool:
        """Answer one request; return whether the connection may be used again."""
        connection.settimeout(IDLE_SECONDS)
        head = reader.head()
        with self._changed:
            self._busy += 1
        try:
            connection.settimeout(READ_SECONDS)
            method, target = "GET", "/"
            try:
                method, target, version, headers = _parsed(head)
                body = reader.body(headers, connection)
            except Refusal as refused:
                # What follows of the request is unknown.
                connection.sendall(_written(self._application.refuse(target, refused), method, keep=False))
                return False
            keep = _kept(version, headers) and not self._stopping
            found = self._application.answer(method, target, headers, body)
            connection.sendall(_written(found, method, keep=keep))
            return keep
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()


def _kept(version: str, headers: dict[str, str]) -> bool:
    wish = headers.get("connection", "").lower()
    return "close" not in wish and (version == "HTTP/1.1" or "keep-alive" in wish)


def _written(found: Reply, method: str, *, keep: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {found.status} {_PHRASES.get(found.status, '')}",
        f"Content-Type: {found.kind}",
        f"Content-Length: {len(found.body)}",
        f"Connection: {'keep-alive' if keep else 'close'}",
        *(f"{name}: {value}" for name, value in found.headers.items()),
        "",
        "",
    ]
    return "\r\n".join(lines).encode("latin-1") + (b"" if method == "HEAD" else found.body)


def _parsed(head: bytes) -> tuple[str, str, str, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1.") or not parts[0].isalpha():
        raise Refusal(400, "the request is no HTTP/1.1")
    method, target, version = parts
    if target.startswith(("http://", "https://")):
        target = "/" + target.split("/", 3)[3] if target.count("/") > 2 else "/"
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise Refusal(400, "a header is no HTTP/1.1")
        key = name.lower()
        if key in ("content-length", "transfer-encoding", "content-type") and key in headers:
            raise Refusal(400, f"the header {key} is sent twice")
        headers[key] = value.strip()
    return method, target, version, headers


class _Reader:
    """Request of a connection, in the parts of HTTP."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._buffer = connection, bytearray()

    def head(self) -> bytes:
        """Return request line and headers.

        Raises
        ------
        _Closed
            If the client closes instead.
        """
        end = -1
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD:
                self._connection.sendall(_TOO_LONG)
                raise _Closed
            self._more()
        found = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        # An empty line before a request is allowed (RFC 9112, 2.2).
        return found.lstrip(b"\r\n")

    def body(self, headers: dict[str, str], connection: socket.socket) -> bytes:
        """Return the body of a request.

        Raises
        ------
        Refusal
            If it is too large, or its length is not given in a way that HTTP knows.
        """
        coding = headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length")
        if coding:
            if coding != "chunked" or length is not None:
                raise Refusal(400 if length is not None else 501, "send Content-Length, or Transfer-Encoding: chunked")
        elif length is None:
            return b""
        elif not (length.isascii() and length.isdigit()):
            raise Refusal(400, "the Content-Length is no number")
        elif len(length) > 12 or int(length) > MAX_BODY:
            raise Refusal(413, f"the body is too large; send at most {MAX_BODY // 2**20} MiB at once")
        if headers.get("expect", "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._chunks() if coding else self._exactly(int(length or 0))

    def _chunks(self) -> bytes:
        found = bytearray()
        while True:
            size = self._line().partition(b";")[0].strip()
            try:
                length = int(size, 16) if size.isalnum() else -1
            except ValueError:
                length = -1
            if length < 0:
                raise Refusal(400, "a chunk of the body has no length")
            if len(found) + length > MAX_BODY:
                raise Refusal(413, f"the body is too large; send at most {MAX_BODY // 2**20} MiB at once")
            if length == 0:
                while self._line():
                    pass
                return bytes(found)
            found += self._exactly(length)
            if self._line():
                raise Refusal(400, "a chunk of the body is longer than its length")

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD:
                raise Refusal(400, "a line of the body's chunks is too long")
            self._more()
        found = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return found

    def _exactly(self, length: int) -> bytes:
        while len(self._buffer) < length:
            self._more()
        found = bytes(self._buffer[:length])
        del self._buffer[:length]
        return found

    def _more(self) -> None:
        received = self._connection.recv(1 << 18)
        if not received:
            raise _Closed
        self._buffer += received


_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
