"""Error bodies of the management API, in the words of the real host."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from local.host import jsontext

JSON_TYPE = "application/json; charset=utf-8"
BROKE = "Something went wrong while processing your request"
BAD_ARGUMENT = "One or more of the arguments submitted is incorrect"
BAD_JSON = "Invalid JSON content"
READER = "Newtonsoft.Json.JsonReaderException"


@dataclass
class ApiError(Exception):
    """An answer other than success. Without a `message` its body is empty."""

    status: int
    message: str | None = None
    exception: str | None = None
    exception_type: str | None = None

    def response(self) -> web.Response:
        if self.message is None:
            return empty(self.status)
        body: dict[str, Any] = {"Message": self.message}
        if self.exception is not None:
            body |= {
                "ExceptionMessage": self.exception,
                "ExceptionType": self.exception_type,
                "StackTrace": "",
            }
        return json_response(body, self.status)


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=jsontext.dumps(body).encode(), headers={"Content-Type": JSON_TYPE, **(headers or {})}
    )


def empty(status: int, headers: dict[str, str] | None = None) -> web.Response:
    response = web.Response(status=status, headers=headers)
    # aiohttp names a type even for nothing; the real host does not.
    response.headers.popall("Content-Type", None)
    return response


def parsed_json(body: bytes) -> str:
    """The compact JSON of a body. Raises ApiError as the real host answers to bad JSON."""
    try:
        text = body.decode("utf-8-sig")
        return jsontext.dumps(json.loads(text)) if text.strip() else ""
    except UnicodeDecodeError as error:
        raise ApiError(400, BAD_JSON, f"The body is no UTF-8: {error.reason}.", READER) from error
    except RecursionError as error:
        raise ApiError(400, BAD_JSON, "The JSON is nested too deeply.", READER) from error
    except json.JSONDecodeError as error:
        raise _bad_json(text, error) from error


def empty_json() -> ApiError:
    return ApiError(400, BAD_JSON, "Error reading JToken from JsonReader. Path '', line 0, position 0.", READER)


def _bad_json(text: str, error: json.JSONDecodeError) -> ApiError:
    stripped = text.strip()
    if error.pos >= len(stripped) and stripped[0] in '[{"':
        message = "Unexpected end when reading token. Path ''."
        return ApiError(500, BROKE, message, "Newtonsoft.Json.JsonWriterException")
    if stripped[0] not in '[{"-0123456789tfnNI':
        message = f"Unexpected character encountered while parsing value: {stripped[0]}. Path '', line 0, position 0."
    elif stripped[0] == "{" and stripped[1:].isidentifier():
        message = (
            f"Unexpected end while parsing unquoted property name. Path '', line {error.lineno}, "
            f"position {len(stripped)}."
        )
    else:
        message = f"{error.msg}. Path '', line {error.lineno}, position {error.colno}."
    return ApiError(400, BAD_JSON, message, READER)
