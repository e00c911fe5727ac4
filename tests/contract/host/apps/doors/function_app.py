"""HTTP doors of every kind, and triggers that run from /admin/functions."""

import asyncio
import json
import logging
import sys

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
SEEN = {}


@app.route(route="echo/{*rest}", auth_level=func.AuthLevel.ANONYMOUS)
def echo(req: func.HttpRequest) -> func.HttpResponse:
    answer = {
        "method": req.method,
        "url": req.url,
        "params": dict(req.params),
        "route": dict(req.route_params),
        "headers": dict(req.headers),
        "size": len(req.get_body()),
    }
    return func.HttpResponse(json.dumps(answer), mimetype="application/json", headers={"X-Echo": "yes"})


@app.route(route="items/{id:int}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def item(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    await asyncio.sleep(0)
    return func.HttpResponse(json.dumps([req.route_params["id"], context.function_name, bool(context.invocation_id)]))


@app.route(route="items/{name:alpha?}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def named(req: func.HttpRequest) -> str:
    return "named " + req.route_params.get("name", "nobody")


@app.route(route="off", auth_level=func.AuthLevel.ANONYMOUS)
def off(req: func.HttpRequest) -> str:
    return "on"


@app.route(route="guarded", methods=["GET"])
def guarded(req: func.HttpRequest) -> str:
    return "in"


@app.route(route="ruled", methods=["GET"], auth_level=func.AuthLevel.ADMIN)
def ruled(req: func.HttpRequest) -> str:
    return "ruled"


@app.route(route="raises", auth_level=func.AuthLevel.ANONYMOUS)
def raises(req: func.HttpRequest) -> str:
    raise ValueError("the door is broken")


@app.route(route="nothing", auth_level=func.AuthLevel.ANONYMOUS)
def nothing(req: func.HttpRequest):
    return None


@app.route(route="mapping", auth_level=func.AuthLevel.ANONYMOUS)
def mapping(req: func.HttpRequest):
    return {"a": 1}


@app.route(route="unsent", auth_level=func.AuthLevel.ANONYMOUS)
@app.queue_output(arg_name="message", queue_name="q", connection="NoSuchConnection")
def unsent(req: func.HttpRequest, message: func.Out[str]) -> str:
    message.set("lost")
    return "sent"


@app.route(route="unbound", auth_level=func.AuthLevel.ANONYMOUS)
@app.blob_input(arg_name="blob", path="a/b", connection="AzureWebJobsStorage")
def unbound(req: func.HttpRequest, blob: func.InputStream) -> str:
    return "never"


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
@app.blob_input(arg_name="blob", path="a/b", connection="AzureWebJobsStorage")
def unbound_timer(timer: func.TimerRequest, blob: func.InputStream) -> None:
    return None


@app.route(route="cookies", auth_level=func.AuthLevel.ANONYMOUS)
def cookies(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse(b"\x00\xff", status_code=418, mimetype="application/octet-stream")
    response.headers.add("Set-Cookie", "a=1")
    response.headers.add("Set-Cookie", "b=2")
    return response


@app.route(route="exits", auth_level=func.AuthLevel.ANONYMOUS)
def exits(req: func.HttpRequest) -> str:
    sys.exit(3)


@app.route(route="exits-async", auth_level=func.AuthLevel.ANONYMOUS)
async def exits_async(req: func.HttpRequest) -> str:
    await asyncio.sleep(0)
    sys.exit(4)


@app.route(route="cancels-itself", auth_level=func.AuthLevel.ANONYMOUS)
async def cancels_itself(req: func.HttpRequest) -> str:
    raise asyncio.CancelledError


@app.route(route="large", auth_level=func.AuthLevel.ANONYMOUS)
def large(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(b"x" * int(req.params["size"]))


@app.route(route="seen/{name}", auth_level=func.AuthLevel.ANONYMOUS)
def seen(req: func.HttpRequest) -> str:
    return json.dumps(SEEN.get(req.route_params["name"]))


@app.queue_trigger(arg_name="msg", queue_name="jobs", connection="NoSuchConnection")
def from_queue(msg: func.QueueMessage) -> None:
    SEEN["queue"] = [msg.get_body().decode(), msg.dequeue_count]
    logging.info("a job: %s", msg.get_body().decode())


@app.service_bus_queue_trigger(arg_name="msg", queue_name="jobs", connection="NoSuchConnection")
def from_bus(msg: func.ServiceBusMessage) -> None:
    SEEN["bus"] = msg.get_body().decode()


@app.event_grid_trigger(arg_name="event")
def from_grid(event: func.EventGridEvent) -> None:
    SEEN.setdefault("grid", []).append([event.id, event.get_json()])


@app.timer_trigger(arg_name="timer", schedule="0 0 3 1 1 *")
def yearly(timer: func.TimerRequest) -> None:
    SEEN["yearly"] = timer.past_due


@app.timer_trigger(arg_name="timer", schedule="*/1 * * * * *", use_monitor=False)
def each_second(timer: func.TimerRequest) -> None:
    SEEN["each_second"] = SEEN.get("each_second", 0) + 1


@app.timer_trigger(arg_name="timer", schedule="%EVERY%", run_on_startup=True)
def at_start(timer: func.TimerRequest) -> None:
    SEEN["at_start"] = True
