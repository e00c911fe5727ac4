"""`dev.py up` with stand-ins: `driver.py LOG OPTIONS_BY_NAME_AS_JSON [up's options]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from local.dev import cli, environment, ports, supervisor, up

STAND_IN = Path(__file__).with_name("stand_in.py")


def main() -> int:
    log, behaviour, *arguments = sys.argv[1:]
    extra = json.loads(behaviour)
    real = up.programs

    def programs(options):
        chosen = {
            "tables": options.tables_port,
            "outbox": options.outbox_port,
            "channel": options.channel_port,
            "host": options.port,
        }
        return {
            name: program._replace(
                command=[
                    *(sys.executable, "-m", "tests.unit.dev.stand_in"),
                    *("--name", name, "--port", str(chosen[name]), "--log", log, *extra.get(name, [])),
                ]
            )
            for name, program in real(options).items()
        }

    up.programs = programs
    up.shutil.which = lambda _name: None
    supervisor.GRACE_SECONDS = 5.0
    supervisor._FIRST_GRACE_SECONDS = 4.0
    ports.check_ports.__defaults__ = (0.3,)
    environment.enter = lambda *_: None
    return cli.run(["up", *arguments])


if __name__ == "__main__":
    sys.exit(main())
