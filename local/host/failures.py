"""Failures in the words of the real host: Newtonsoft's serialised exceptions, the RPC text of a failed call."""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Iterator
from typing import Any

from local.host import jsontext

HRESULT = -2146233088
RPC_TYPE = "Microsoft.Azure.WebJobs.Script.Workers.Rpc.RpcException, Microsoft.Azure.WebJobs.Script"
OUT_OF_PROC_LABEL = "\n\n$OutOfProcData$:"
HOST_FRAMES = re.compile(r"[/\\]local[/\\]host[/\\]")


TIMEOUT_TYPE = "Microsoft.Azure.WebJobs.Host.FunctionTimeoutException"


class RunFailedError(Exception):
    """A run that failed around the app's code: the log shows the message, which says why, and no stack."""


class FunctionTimeoutError(RunFailedError):
    """A function took longer than functionTimeout of host.json allows."""

    def __init__(self, function: str, seconds: float) -> None:
        super().__init__(f"Timeout value of {span_text(seconds)} was exceeded by function: Functions.{function}")


class AppExitError(Exception):
    """A function of the app raised what no caller can be handed as it is, such as SystemExit: its own failure alone."""

    def __init__(self, raised: BaseException) -> None:
        super().__init__(f"the function raised {type(raised).__name__}: {raised}")
        self.raised = raised


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """For calls of the app's sync code: whatever it raises comes out as an Exception that a Future can carry too.

    A StopIteration may not go into a Future: whoever waits for that would wait for ever.
    """
    try:
        yield
    except StopIteration as error:
        raise AppExitError(error) from error
    except Exception:
        raise
    except BaseException as error:
        raise AppExitError(error) from error


def described(error: BaseException) -> str:
    """`ValueError: boom`, as the Python worker names an exception."""
    error = error.raised if isinstance(error, AppExitError) else error
    return f"{type(error).__name__}: {error}"


def stack_of(error: BaseException) -> str:
    """The traceback from the user's function on, without the host's own frames."""
    error = error.raised if isinstance(error, AppExitError) else error
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not HOST_FRAMES.search(frame.filename)]
    return "".join(traceback.format_list(own or frames))


def span_text(seconds: float) -> str:
    """A length of time as .NET writes it: `[d.]hh:mm:ss[.fffffff]`."""
    micros = round(seconds * 1_000_000)
    days, rest = divmod(micros, 86_400_000_000)
    minutes, micros = divmod(rest, 60_000_000)
    whole, fraction = divmod(micros, 1_000_000)
    text = f"{minutes // 60:02}:{minutes % 60:02}:{whole:02}" + (f".{fraction:06}0" if fraction else "")
    return f"{days}.{text}" if days else text


def told(error: BaseException) -> str:
    """The failure for the log: without the state that the SDK appends to an orchestrator's, and where it began."""
    if isinstance(error, RunFailedError):
        return str(error)
    labelled = OUT_OF_PROC_LABEL in str(error) and error.__cause__ is not None
    cause = error.__cause__ if labelled and error.__cause__ is not None else error
    return f"{described(cause)}\n{stack_of(cause)}"


def rpc_message(error: BaseException) -> str:
    return f"Result: Failure\nException: {described(error)}\nStack: {stack_of(error)}\n"


def _rpc_exception(error: BaseException) -> dict[str, Any]:
    return {
        "$type": RPC_TYPE,
        "IsUserException": False,
        "RemoteStackTrace": stack_of(error),
        "RemoteMessage": described(error),
        "RemoteTypeName": None,
        "Message": rpc_message(error),
        "Data": {"$type": "System.Collections.ListDictionaryInternal, System.Private.CoreLib"},
        "InnerException": None,
        "HelpLink": None,
        "Source": "System.Private.CoreLib",
        "HResult": HRESULT,
        "StackTrace": stack_of(error),
    }


def _exception(kind: str, message: str, inner: dict[str, Any] | None, **fields: Any) -> dict[str, Any]:
    return {
        "$type": f"{kind}, System.Private.CoreLib",
        "ClassName": kind,
        "Message": message,
        "Data": None,
        "InnerException": inner,
        "HelpURL": None,
        "StackTraceString": None,
        "RemoteStackTraceString": None,
        "RemoteStackIndex": 0,
        "ExceptionMethod": None,
        "HResult": HRESULT,
        "Source": None,
        "WatsonBuckets": None,
        **fields,
    }


def activity_failure(name: str, error: BaseException) -> tuple[str, str]:
    """(Reason, Details) of a TaskFailed event."""
    if isinstance(error, FunctionTimeoutError):
        details = _exception(TIMEOUT_TYPE, str(error), None)
        details["$type"] = f"{TIMEOUT_TYPE}, Microsoft.Azure.WebJobs.Host"
        return f"Activity function '{name}' failed: {error}", jsontext.dumps(details)
    text = f" {described(error)}"
    reason = f"Activity function '{name}' failed: {text}"
    return reason, jsontext.dumps(_exception("System.Exception", text, _rpc_exception(error)))


def plain_failure(name: str, error: BaseException) -> tuple[str, str]:
    """(output, details for the parent) of an orchestrator that failed without the SDK's label."""
    inner = _rpc_exception(error)
    details = _exception("System.AggregateException", "One or more errors occurred.", inner, InnerExceptions=[inner])
    text = f"Orchestrator function '{name}' failed: One or more errors occurred. ({rpc_message(error)})"
    return text, jsontext.dumps(details)


def labelled_failure(name: str, text: str, error: BaseException) -> tuple[str, str]:
    """(output, details for the parent) of an orchestrator whose failure the SDK labelled."""
    return f"Orchestrator function '{name}' failed: {text}", f"Message: {text}, StackTrace: {stack_of(error)}"


def http_failure(message: str, errno: int | None = None) -> tuple[str, str]:
    """(Reason, Details) of a call_http that got no answer."""
    inner = None
    if errno is not None:
        inner = _exception("System.Net.Sockets.SocketException", message, None)
        inner.update({"$type": "System.Net.Sockets.SocketException, System.Net.Primitives", "NativeErrorCode": errno})
        inner.update({"Source": "System.Net.Sockets", "HResult": -2147467259})
        inner["Message"] = message.split(" (", maxsplit=1)[0]
    details = {
        "$type": "System.Net.Http.HttpRequestException, System.Net.Http",
        "HttpRequestError": 2 if errno is not None else 0,
        "StatusCode": None,
        "Message": message,
        "Data": {"$type": "System.Collections.ListDictionaryInternal, System.Private.CoreLib"},
        "InnerException": inner,
        "HelpLink": None,
        "Source": "System.Net.Http",
        "HResult": -2147467259,
        "StackTrace": None,
    }
    return message, jsontext.dumps(details)


def out_of_proc_state(error: BaseException) -> dict[str, Any] | None:
    """The OrchestratorState that the SDK appended to a failure, or None.

    As in the extension, a failure text that itself holds a "Stack:" line hides it: the text is cut there first.
    """
    message = str(error)
    head, label, state = message.rpartition(OUT_OF_PROC_LABEL)
    if not label or "\nStack: " in head:
        return None
    try:
        parsed: dict[str, Any] = jsontext.loads(state)
    except ValueError:
        return None
    return parsed
