"""Queues in and out."""

import json

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
SEEN = []


@app.route(route="put", methods=["POST"])
@app.queue_output(arg_name="out", queue_name="%IN_QUEUE%", connection="Account")
def put(req: func.HttpRequest, out: func.Out[str]) -> str:
    out.set(req.get_body().decode())
    return "put"


@app.queue_trigger(arg_name="msg", queue_name="%IN_QUEUE%", connection="Account")
@app.queue_output(arg_name="$return", queue_name="results", connection="Account")
def work(msg: func.QueueMessage):
    SEEN.append([msg.get_body().decode(), msg.dequeue_count, bool(msg.pop_receipt), bool(msg.insertion_time)])
    if msg.get_body() == b"poison":
        raise ValueError("cannot be swallowed")
    return [msg.get_body().decode() + "!", "and more"]


@app.route(route="seen")
def seen(req: func.HttpRequest) -> str:
    return json.dumps(SEEN)
