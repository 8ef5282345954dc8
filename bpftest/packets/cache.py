"""Built bytes, kept between runs, so that a second run imports no Scapy."""

from __future__ import annotations

import os
import sys

SIZE_MAX = 64 << 20  # bytes of a cache file: a larger one is not ours
LINKS = ("", "ethernet", "ip")


class Cache:
    """The cache file of one suite; a damaged or unwritable one is the same as an empty one.

    The file holds the version of all that makes the bytes, and by key "link/chain hex".
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._known: dict[str, str] | None = None  # not read yet: a suite without expressions never does
        self._used: dict[str, str] = {}
        self._is_new = False

    def get(self, key: str) -> tuple[bytes, str, tuple[str, ...]] | None:
        """(bytes, link, chain) as they were put under *key*, or None."""
        if self._known is None:
            self._known = _read(self.path)
        entry = self._known.get(key)
        if not isinstance(entry, str):
            return None
        start, _, digits = entry.partition(" ")
        link, *chain = start.split("/")
        try:
            data = bytes.fromhex(digits)
        except ValueError:
            return None
        if link not in LINKS:
            return None
        self._used[key] = entry
        return data, link, tuple(chain)

    def put(self, key: str, data: bytes, link: str = "", chain: tuple[str, ...] = ()) -> None:
        """Keep *data*, *link* and *chain* under *key*."""
        self._used[key] = f"{'/'.join((link, *chain))} {data.hex()}"
        if self._known is not None:
            self._known[key] = self._used[key]
        self._is_new = True

    def save(self) -> None:
        """Write what was used in this run, if anything in it was new. Never raises OSError."""
        if not self._is_new:
            return
        import json
        from contextlib import suppress
        from tempfile import mkstemp

        with suppress(OSError):
            folder = os.path.dirname(self.path) or "."
            os.makedirs(folder, exist_ok=True)
            descriptor, temporary = mkstemp(dir=folder)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump({"version": version(), "entries": self._used}, file)
            os.replace(temporary, self.path)
            self._is_new = False


def _read(path: str) -> dict[str, str]:
    """The entries of the cache file, if this version wrote it."""
    import json

    try:
        with open(path, encoding="utf-8") as file:
            content = json.loads(file.read(SIZE_MAX))
        entries = content["entries"]
        if content["version"] == version() and isinstance(entries, dict):
            return entries
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return {}


def version() -> str:
    """What the built bytes depend on beside the suite: Python, Scapy and this room, none of them imported."""
    here = os.path.dirname(__file__)
    with os.scandir(here) as files:
        room = sorted((one.name, one.stat().st_size, one.stat().st_mtime_ns) for one in files if one.name[-3:] == ".py")
    return repr((sys.hexversion, _scapy(), room))


def _scapy() -> object:
    """Where Scapy is, and when it was put there."""
    spec = None
    for finder in sys.meta_path:
        spec = spec or finder.find_spec("scapy", None)
    if spec is None or not spec.origin:
        return None
    folder = os.path.dirname(spec.origin)
    found = []
    for name in ("__init__.py", "VERSION", "layers", "contrib"):
        try:
            status = os.stat(os.path.join(folder, name))
        except OSError:
            continue
        found.append((name, status.st_size, status.st_mtime_ns))
    return folder, found
