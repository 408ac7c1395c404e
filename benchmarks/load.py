"""A load generator in a process of its own: a few connections kept open, one request after another on each, nothing parsed but the length.

A client that parses answers costs as much as the service that it measures: httpx takes 0.5 ms for a request, this about 0.03 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from pathlib import Path


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as an answer is whole."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        self.buffer = bytearray()
        self.transport: asyncio.Transport | None = None
        self.began = 0.0
        self.kind = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        """Look for the end of the answer."""
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        lowered = bytes(self.buffer[:head]).lower()
        at = lowered.find(b"content-length:")
        length = int(lowered[at + 15 :].split(b"\r\n", 1)[0])
        if len(self.buffer) < head + 4 + length:
            return
        good = self.buffer[9:12] == b"200"
        if not good and not self.run.first_error:
            self.run.first_error = (self.buffer[9:12] + b" " + self.buffer[head + 4 : head + 404]).decode(errors="replace")
        self.run.note(self.kind, good, time.perf_counter() - self.began)
        self.buffer.clear()
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count what was lost."""
        if not self.run.over:
            self.run.errors += 1
        self.run.closed(self)

    def _next(self) -> None:
        assert self.transport is not None
        request = self.run.next_request()
        if request is None:
            self.transport.close()
            return
        self.kind, payload = request
        self.began = time.perf_counter()
        self.transport.write(payload)


class _Run:
    def __init__(self, requests: list[tuple[int, bytes]], seconds: float, most: int | None) -> None:
        self.requests, self.seconds, self.most = requests, seconds, most
        self.sent = self.errors = 0
        self.first_error = ""
        self.took: dict[int, list[float]] = {}
        self.over = False
        self.began = time.perf_counter()
        self.connections: set[_Connection] = set()
        self.done = asyncio.Event()

    def next_request(self) -> tuple[int, bytes] | None:
        if time.perf_counter() - self.began >= self.seconds or (self.most is not None and self.sent >= self.most):
            self.over = True
            return None
        request = self.requests[self.sent % len(self.requests)]
        self.sent += 1
        return request

    def note(self, kind: int, good: bool, took: float) -> None:
        self.took.setdefault(kind, []).append(took)
        self.errors += not good

    def closed(self, connection: _Connection) -> None:
        self.connections.discard(connection)
        if not self.connections:
            self.done.set()


async def load(
    port: int, requests: list[tuple[int, bytes]], connections: int, seconds: float, most: int | None = None
) -> dict[str, object]:
    """Send requests in turn over some connections, for so long or so many.

    Parameters
    ----------
    port : int
        On this machine.
    requests : list of (kind, request)
        A whole HTTP/1.1 request each; times are kept per kind.
    connections : int
    seconds : float
    most : int, optional
        Requests after which it ends as well.

    Returns
    -------
    dict
        requests, errors (no 200, or a lost connection), the first of them, seconds, cpu (seconds that this client worked), and per kind p50 and p99 in milliseconds.
    """
    loop = asyncio.get_running_loop()
    run = _Run(requests, seconds, most)
    worked = time.process_time()
    for _ in range(connections):
        connection = _Connection(run)
        run.connections.add(connection)
        await loop.create_connection(lambda connection=connection: connection, "127.0.0.1", port)  # type: ignore[misc]
    await run.done.wait()
    elapsed = time.perf_counter() - run.began
    kinds = {
        str(kind): {
            "requests": len(took),
            "p50": 1000 * statistics.median(took),
            "p99": 1000 * sorted(took)[min(len(took) - 1, round(0.99 * len(took)))],
        }
        for kind, took in run.took.items()
    }
    answered = sum(len(took) for took in run.took.values())
    return {
        "requests": answered,
        "errors": run.errors,
        "first_error": run.first_error,
        "seconds": elapsed,
        "cpu": time.process_time() - worked,
        "kinds": kinds,
    }


def request_bytes(path: str, body: str | None, token: str | None, port: int) -> bytes:
    """Give one whole HTTP/1.1 request; without a body a GET."""
    told = b"" if body is None else body.encode()
    lines = [
        f"{'GET' if body is None else 'POST'} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Accept: */*",
        "Accept-Language: nl",
        *([f"Authorization: Bearer {token}"] if token else []),
        *([] if body is None else ["Content-Type: application/json", f"Content-Length: {len(told)}"]),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + told


def main() -> None:
    """Read what to send from a file of JSON lines (kind, path, body), send it, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--most", type=int)
    told = parser.parse_args()
    lines = [json.loads(line) for line in told.file.read_text(encoding="utf-8").splitlines()]
    requests = [(each["kind"], request_bytes(each["path"], each["body"], told.token, told.port)) for each in lines]
    print(json.dumps(asyncio.run(load(told.port, requests, told.connections, told.seconds, told.most))))


if __name__ == "__main__":
    main()
