"""`python -m local.dev.webchat DIR`: fetch the Web Chat page's script; ends, npm included, with who started it."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from local.channel import webchat
from local.lifetime import end_with_parent


def _leave(_number: int, _frame: FrameType | None) -> None:
    # Leaving by an exception lets subprocess.run kill npm, and the scratch folder be removed.
    raise SystemExit(1)


if __name__ == "__main__":
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, _leave)
    end_with_parent()
    sys.exit(webchat.main(["fetch", "--into", sys.argv[1]]))
