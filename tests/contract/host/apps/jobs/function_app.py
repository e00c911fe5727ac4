"""A queue trigger that fails, takes its time or answers, as its message says."""

import json
import os
import time
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
SEEN = []


@app.queue_trigger(arg_name="msg", queue_name="jobs", connection="Account")
@app.queue_output(arg_name="$return", queue_name="results", connection="Account")
@app.queue_output(arg_name="copy", queue_name="copies", connection="Account")
def work(msg: func.QueueMessage, copy: func.Out[bytes]):
    body = msg.get_body()
    times = [msg.insertion_time, msg.time_next_visible, msg.expiration_time]
    SEEN.append([body.hex(), msg.dequeue_count, bool(msg.id and msg.pop_receipt), times == sorted(times)])
    if body == b"poison":
        raise ValueError("cannot be swallowed")
    while body == b"slow" and not Path(os.environ["LET_GO"]).exists():
        time.sleep(0.05)
    if body == b"answer":
        copy.set(body)
        return ["one", func.QueueMessage(body="two")]
    return None


@app.route(route="put", methods=["POST"])
@app.queue_output(arg_name="out", queue_name="jobs", connection="Account")
def put(req: func.HttpRequest, out: func.Out[str]) -> str:
    out.set(req.get_body().decode())
    return "put"


@app.route(route="seen")
def seen(req: func.HttpRequest) -> str:
    return json.dumps(SEEN)
