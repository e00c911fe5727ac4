"""Days: an orchestration that waits for three of them, and a timer each morning."""

import datetime
import json

import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
MORNINGS = []
EVENINGS = []


@app.orchestration_trigger(context_name="context")
def three_days(context):
    seen = []
    for _ in range(3):
        yield context.create_timer(context.current_utc_datetime + datetime.timedelta(days=1))
        seen.append(context.current_utc_datetime.isoformat())
        yield context.call_activity("note", len(seen))
    return seen


@app.activity_trigger(input_name="number")
def note(number):
    return number


@app.timer_trigger(arg_name="timer", schedule="0 0 7 * * *")
def morning(timer: func.TimerRequest) -> None:
    MORNINGS.append(1)


@app.timer_trigger(arg_name="timer", schedule="0 0 19 * * *")
@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:20")
def evening(timer: func.TimerRequest) -> None:
    EVENINGS.append(1)
    raise RuntimeError("each evening fails")


@app.route(route="evenings")
def evenings(req: func.HttpRequest) -> str:
    return json.dumps(len(EVENINGS))


@app.route(route="mornings")
def mornings(req: func.HttpRequest) -> str:
    return json.dumps(len(MORNINGS))
