"""The few operations of the Queue service that a Functions host uses, in memory, over real HTTP."""

from __future__ import annotations

import datetime as dt
import re
import threading
import time
import uuid
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.sax.saxutils import escape


class Message:
    def __init__(self, text: str) -> None:
        self.id, self.receipt, self.text = str(uuid.uuid4()), uuid.uuid4().hex, text
        self.count, self.visible_at = 0, 0.0


class QueueServer:
    def __init__(self) -> None:
        self.queues: dict[str, list[Message]] = {}
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                with owner._lock:
                    status, text, headers = owner.handle(self.command, self.path, body)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(text.encode())), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - the base class's names

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def connection(self) -> str:
        port = self._server.server_address[1]
        return (
            f"DefaultEndpointsProtocol=http;AccountName=acc;AccountKey=a2V5;QueueEndpoint=http://127.0.0.1:{port}/acc;"
        )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def texts(self, queue: str) -> list[str]:
        import base64

        with self._lock:
            return [base64.b64decode(m.text).decode() for m in self.queues.get(queue, [])]

    def handle(self, method: str, path: str, body: str) -> tuple[int, str, dict[str, str]]:
        route, _, query = path.partition("?")
        _, _, name, *rest = route.split("/")
        if not rest:
            self.queues.setdefault(name, [])
            return 201, "", {}
        if name not in self.queues:
            code = "QueueNotFound"
            return 404, f"<Error><Code>{code}</Code><Message>no</Message></Error>", {"x-ms-error-code": code}
        queue = self.queues[name]
        if method == "POST":
            text = re.search(r"<MessageText>(.*?)</MessageText>", body, re.DOTALL)
            queue.append(Message(text.group(1) if text else ""))
            return 201, _listed([queue[-1]]), {"Content-Type": "application/xml"}
        if method == "GET":
            return 200, _listed(self._take(queue, query)), {"Content-Type": "application/xml"}
        message = next(m for m in queue if m.id == rest[1])
        if method == "DELETE":
            queue.remove(message)
            return 204, "", {}
        timeout = re.search(r"visibilitytimeout=(\d+)", query)
        message.visible_at = time.time() + int(timeout.group(1) if timeout else 0)
        message.receipt = uuid.uuid4().hex
        return 204, "", {"x-ms-popreceipt": message.receipt, "x-ms-time-next-visible": _now()}

    def _take(self, queue: list[Message], query: str) -> list[Message]:
        count = re.search(r"numofmessages=(\d+)", query)
        taken = [m for m in queue if m.visible_at <= time.time()][: int(count.group(1)) if count else 1]
        for message in taken:
            message.count += 1
            message.visible_at = time.time() + 600
        return taken


def _now() -> str:
    return format_datetime(dt.datetime.now(dt.timezone.utc), usegmt=True)


def _listed(messages: list[Message]) -> str:
    items = "".join(
        f"<QueueMessage><MessageId>{m.id}</MessageId><InsertionTime>{_now()}</InsertionTime>"
        f"<ExpirationTime>{_now()}</ExpirationTime><PopReceipt>{m.receipt}</PopReceipt>"
        f"<TimeNextVisible>{_now()}</TimeNextVisible><DequeueCount>{m.count}</DequeueCount>"
        f"<MessageText>{escape(m.text)}</MessageText></QueueMessage>"
        for m in messages
    )
    return f'<?xml version="1.0" encoding="utf-8"?><QueueMessagesList>{items}</QueueMessagesList>'
