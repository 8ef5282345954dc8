"""yaml-language-server, which checks YAML in editors, asked over its standard streams as an editor asks it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

PROGRAM = Path(sys.prefix) / "editors" / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"


class Diagnostic(NamedTuple):
    """What an editor underlines."""

    line: int  # from 1
    column: int  # from 1
    message: str


def command() -> list[str]:
    """What starts the server; [] where it is not installed."""
    node = shutil.which("node", path=str(Path(sys.prefix) / "bin")) or shutil.which("node")
    return [node, str(PROGRAM), "--stdio"] if node and PROGRAM.exists() else []


class LanguageServer:
    """One server for many files, all of which are checked against *schema*."""

    def __init__(self, schema: Path) -> None:
        self._settings = {
            "yaml": {
                "schemas": {schema.as_uri(): "*.yaml"},
                "schemaStore": {"enable": False},  # nothing is fetched
                "kubernetesCRDStore": {"enable": False},
                "hover": True,
                "validate": True,
            }
        }
        self._process = subprocess.Popen(command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._asked = 0
        abilities = {"workspace": {"configuration": True}, "textDocument": {"hover": {"contentFormat": ["plaintext"]}}}
        self._ask("initialize", {"processId": None, "rootUri": None, "capabilities": abilities})
        self._tell("initialized", {})
        self._tell("workspace/didChangeConfiguration", {"settings": self._settings})

    def __enter__(self) -> LanguageServer:  # noqa: PYI034 - Self is typing's from Python 3.11 on
        return self

    def __exit__(self, *_: object) -> None:
        self._ask("shutdown", None)
        self._tell("exit", None)
        self._process.communicate()

    def diagnostics(self, path: Path) -> list[Diagnostic]:
        """What is wrong with the file at *path*, in its order."""
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": path.read_text(encoding="utf-8")}
        self._tell("textDocument/didOpen", {"textDocument": document})
        while True:
            message = self._heard()
            told = message.get("params", {})
            if message.get("method") == "textDocument/publishDiagnostics" and told["uri"] == path.as_uri():
                return sorted(_diagnostic(one) for one in told["diagnostics"])

    def hover(self, path: Path, line: int, column: int) -> str:
        """What is shown where the mouse points, in a file that was opened; both from 1."""
        position = {"line": line - 1, "character": column - 1}
        told = self._ask("textDocument/hover", {"textDocument": {"uri": path.as_uri()}, "position": position})
        return "" if told is None else str(told["contents"]["value"])

    def _ask(self, method: str, params: object) -> Any:
        self._asked += 1
        self._send({"id": self._asked, "method": method, "params": params})
        while True:
            message = self._heard()
            if message.get("id") == self._asked and "method" not in message:
                return message.get("result")

    def _tell(self, method: str, params: object) -> None:
        self._send({"method": method, "params": params})

    def _heard(self) -> dict[str, Any]:
        """The next message of the server; what it asks itself is answered."""
        assert self._process.stdout is not None
        length = 0
        while header := self._process.stdout.readline().strip():
            name, _, value = header.partition(b": ")
            if name == b"Content-Length":
                length = int(value)
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        if "id" in message and "method" in message:
            self._send({"id": message["id"], "result": self._answer(message)})
        return message

    def _answer(self, message: dict[str, Any]) -> object:
        if message["method"] != "workspace/configuration":
            return None
        return [self._settings.get(item.get("section"), {}) for item in message["params"]["items"]]

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        self._process.stdin.flush()


def _diagnostic(told: dict[str, Any]) -> Diagnostic:
    start = told["range"]["start"]
    return Diagnostic(start["line"] + 1, start["character"] + 1, told["message"])
