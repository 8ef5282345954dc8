"""A fresh process that builds expressions and tells all that it did to the machine.

stdin: JSON {"before": [modules to import first], "texts": [expressions], "cache": path or null}.
stdout: JSON {"made": [hex or error], "events": [what was opened, connected, run], "scapy": imported or not}.

What a cache does not hold is built in this very process, not in the confined one that bpftest asks: of that nothing
could be heard.
"""

from __future__ import annotations

import json
import random
import sys
import time

HARMLESS = ("/etc/protocols", "/etc/services", "/etc/ethertypes", "/etc/resolv.conf")  # names that are not used
WATCHED = ("ctypes.", "os.", "shutil.", "socket.", "subprocess.")


def main() -> None:
    asked = json.load(sys.stdin)
    random.seed(asked.get("seed", 0))
    now, shift = time.time, asked.get("shift", 0)
    time.time = lambda: now() + shift
    for name in asked["before"]:
        __import__(name)
    events: list[str] = []
    packages = tuple(path for path in sys.path if path)

    def hear(event: str, details: tuple[object, ...]) -> None:
        if event == "open" and isinstance(details[0], str):
            if not details[0].startswith((*packages, *HARMLESS, str(asked.get("cache")))):
                events.append(f"open {details[0]}")
        elif event.startswith(WATCHED) and event not in ("os.listdir", "os.scandir", "ctypes.dlopen"):
            events.append(f"{event} {details!r}")

    sys.addaudithook(hear)
    json.dump(
        {"made": [made(text, asked) for text in asked["texts"]], "events": events, "scapy": "scapy" in sys.modules},
        sys.stdout,
    )


def made(text: str, asked: dict[str, object], caches: list[object] = []) -> str:  # noqa: B006  # one cache a process
    from bpftest.errors import SuiteError
    from bpftest.packets.cache import Cache
    from bpftest.packets.sources import Scope, packet

    if asked.get("cache"):
        if not caches:
            caches.append(Cache(str(asked["cache"])))
        return packet(text, Scope(cache=caches[0])).data.hex()  # type: ignore[arg-type]
    from bpftest.packets.expression import built

    try:
        return built(text, Scope())[0].hex()
    except SuiteError as error:
        return f"{error.what} ({error.hint})"


if __name__ == "__main__":
    main()
