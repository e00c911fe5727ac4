"""A small program in the place of the host, the channel, the outbox or the tables; each option is one way to behave."""

from __future__ import annotations

import argparse
import http.server
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from local.lifetime import end_with_parent


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--delay", type=float, default=0)
    parser.add_argument("--exit-code", type=int)
    parser.add_argument("--stubborn", action="store_true")
    parser.add_argument("--say", default="")
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    note(options, "start")
    end_with_parent()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None if options.stubborn else stopped.set())
    if options.say:
        sys.stdout.write(options.say * options.times + "\nlast\n")
    if options.exit_code is not None:
        sys.exit(options.exit_code)
    time.sleep(options.delay)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    note(options, "serving")
    while not stopped.wait(0.1):
        pass
    note(options, "end")


def note(options: argparse.Namespace, event: str) -> None:
    with options.log.open("a") as log:
        entry = {"name": options.name, "event": event, "pid": os.getpid(), "group": os.getpgrp(), "at": time.time()}
        log.write(json.dumps(entry) + "\n")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        answers = {
            "/healthz": {},
            "/admin/host/status": {"state": "Running"},
            "/environment": dict(os.environ),
        }
        body = json.dumps(answers.get(self.path)).encode()
        self.send_response(200 if self.path in answers else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments) -> None:
        pass


if __name__ == "__main__":
    main()
