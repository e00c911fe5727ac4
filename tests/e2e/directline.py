"""A Direct Line client as a script would write it: HTTP, a token, a watermark, and patience."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

Activity = dict[str, Any]


class HttpError(Exception):
    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status}: {body[:500]}")
        self.status = status
        self.body = body


def request(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None, timeout: float = 30) -> Any:
    """The decoded JSON answer, or None for an empty one; HttpError for a status of 400 and above."""
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **(headers or {})} if data is not None else dict(headers or {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, sent, method=method), timeout=timeout) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            raise HttpError(error.code, error.read().decode("utf-8", "replace")) from None
    return json.loads(text) if text else None


class Chat:
    """One person's conversation; `seen` is all that the bot said, in order."""

    def __init__(self, channel: str, user: str, secret: str = "local-direct-line-secret", **grant: str) -> None:
        self.base, self.user = f"{channel}/v3/directline", user
        bearer = {"Authorization": f"Bearer {secret}"}
        grant = request("POST", f"{self.base}/tokens/generate", {"user": {"id": user}, **grant}, bearer)
        self.token = {"Authorization": f"Bearer {grant['token']}"}
        self.id = request("POST", f"{self.base}/conversations", {}, self.token)["conversationId"]
        self.watermark = ""
        self.seen: list[Activity] = []

    def post(self, **activity: Any) -> str:
        """Post an activity, again after an answer that says so or a connection that broke; its id."""
        body = {"type": "message", "from": {"id": self.user}, **activity}
        return self._patiently("POST", "activities", body)["id"]

    def say(self, text: str) -> str:
        return self.post(text=text)

    def upload(self, name: str, content: bytes, content_type: str = "text/csv") -> str:
        headers = {"Content-Type": content_type, "Content-Disposition": f'name="file"; filename="{name}"'}
        return self._patiently("POST", f"upload?userId={self.user}", content, headers)["id"]

    def poll(self) -> list[Activity]:
        """What the bot said since the last poll."""
        answer = self._patiently("GET", f"activities?watermark={self.watermark}")
        self.watermark = answer["watermark"]
        new = [activity for activity in answer["activities"] if activity["from"]["id"] != self.user]
        self.seen += new
        return new

    def wait(self, accept: Callable[[Activity], bool], seconds: float = 60, since: int = 0) -> Activity:
        """The first activity of the bot, from number `since` of `seen`, that is accepted."""
        end = time.monotonic() + seconds
        checked = since
        while True:
            for activity in self.seen[checked:]:
                if accept(activity):
                    return activity
            checked = len(self.seen)
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds} s; the bot said: {[text_of(seen) for seen in self.seen]}")
            self.poll()
            time.sleep(0.05)

    def wait_text(self, *parts: str, seconds: float = 60, since: int = 0) -> Activity:
        return self.wait(lambda activity: all(part in text_of(activity) for part in parts), seconds, since)

    def ask(self, text: str, *parts: str, seconds: float = 60) -> Activity:
        """Say something and wait for an answer with these words."""
        since = len(self.seen)
        self.say(text)
        return self.wait_text(*parts, seconds=seconds, since=since)

    def _patiently(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        end = time.monotonic() + 40
        while True:
            try:
                url = f"{self.base}/conversations/{self.id}/{path}"
                return request(method, url, body, {**self.token, **(headers or {})})
            except HttpError as error:
                if error.status < 500 or time.monotonic() > end:
                    raise
            except OSError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.2)


def text_of(activity: Activity) -> str:
    return activity.get("text") or ""


def card_of(activity: Activity) -> str:
    """An Adaptive Card's JSON, to look for words in it."""
    return json.dumps(activity.get("attachments", []), ensure_ascii=False)


def buttons_of(activity: Activity) -> dict[str, str]:
    """Titles and values of the suggested actions."""
    return {action["title"]: action["value"] for action in activity.get("suggestedActions", {}).get("actions", [])}


def operation_of(activity: Activity) -> str:
    return activity["channelData"]["operationId"]
