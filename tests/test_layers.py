"""The doors between the rooms of the package, and what no module may import before it needs it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "bpftest"
CONTRIBUTING = PACKAGE.parent / "CONTRIBUTING.md"

# room: what it may import besides itself, rooms or single modules of them. Only what stands above it.
DOORS = {
    "errors": "",
    "wording": "",
    "reading": "",
    "errnos": "errors wording",
    "events": "errors",
    "progtypes": "errors wording",
    "sandbox": "errors",
    "packets": "errors wording reading sandbox",
    "btf": "errors",
    "elf": "errors reading",
    "verifier_log": "",
    "verifier_hints": "",
    "suite": "errors wording packets.captures",
    "kernel": "errors reading sandbox",
    "values": "errors wording btf",
    "maps": "errors wording btf elf",
    "map_values": "errors wording reading btf suite.model values maps kernel.door",
    "expectations": (
        "errors wording errnos events progtypes packets btf elf suite.model values maps map_values verifier_log "
        "kernel.door"
    ),
    "plan": (
        "errors wording errnos events progtypes packets btf elf suite values maps map_values kernel.door expectations"
    ),
    "drafts": "errors wording progtypes packets btf elf suite values maps map_values kernel.door expectations",
    "collect": "errors events packets elf suite kernel plan",
    "refusals": "errors errnos events reading verifier_log verifier_hints suite.model kernel.door",
    "verdicts": "errors errnos events kernel.door expectations plan refusals",
    "sweeps": "errors errnos kernel.door plan",
    "attempts": "events",
    "runner": "errors errnos events suite.model kernel expectations plan verdicts sweeps attempts",
}
DOORS["artifacts"] = "errors events kernel"
DOORS["last_run"] = "events reading kernel artifacts"
DOORS["reproduction"] = "errors progtypes elf maps kernel.door plan artifacts"
DOORS["executors"] = " ".join(DOORS)
DOORS["reporters"] = "errors events"
DOORS["commands"] = " ".join(DOORS)
DOORS["pytest_plugin"] = " ".join(DOORS)
DOORS["cli"] = " ".join(DOORS)
DOORS["__main__"] = "cli"

TALK_TO_C = ("kernel", "sandbox")
PUBLIC = {"__version__"}  # what bpftest/__init__.py holds itself

# Each costs from twenty milliseconds to a second to import; a command that does not need it must not pay.
LATE = {"cloudpickle", "dask", "distributed", "jsonschema", "jsonschema_rs", "junit_xml", "pyroute2", "scapy"}


@dataclass(frozen=True)
class Import:
    """One module that one line imports."""

    file: Path
    line: int  # from 1
    module: str  # "bpftest.suite.model", "scapy.layers.inet"
    at_once: bool  # when the file itself is imported; not inside a function, not for types only

    def broken(self, rule: str) -> str:
        return f"{self.file}:{self.line}: imports {self.module}, but {rule}"


def imports(file: Path) -> Iterator[Import]:
    """Each import of *file*, wherever it stands in it."""
    tree = ast.parse(file.read_text(encoding="utf-8"), file)
    late = {inner for node in ast.walk(tree) for statement in run_later(node) for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        for module in modules(node):
            yield Import(file, node.lineno, module, at_once=node not in late)


def run_later(node: ast.AST) -> list[ast.stmt]:
    """The statements below *node* that do not run when their file is imported."""
    match node:
        case ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body):
            return body
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body):
            return body
    return []


def modules(node: ast.AST) -> list[str]:
    """What *node* imports; `from bpftest import x` imports bpftest.x. Relative imports do not exist: ruff bans them."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module="bpftest", names=names):
            return [f"bpftest.{alias.name}" for alias in names]
        case ast.ImportFrom(module=str(module)):
            return [module]
    return []


def room_of_file(file: Path, package: Path) -> str:
    """The first folder below the package, or the file's own name."""
    return file.relative_to(package).parts[0].removesuffix(".py")


def inside(module: str) -> str:
    """*module* without the package's name; "" for others' modules and for the names of the package itself."""
    package, _, rest = module.partition(".")
    return rest if package == "bpftest" and rest not in PUBLIC else ""


def closed_doors(package: Path) -> Iterator[str]:
    """Each import that the table does not allow, as file:line and the rule that it breaks."""
    for file in sorted(package.rglob("*.py")):
        room = room_of_file(file, package)
        doors = [room, *DOORS.get(room, "").split()]
        for one in imports(file):
            module = inside(one.module)
            if module and not any(f"{module}.".startswith(f"{door}.") for door in doors):
                yield one.broken(f"'{room}' may import {', '.join(doors[1:]) or 'no other room'}")


def misplaced(package: Path) -> Iterator[str]:
    """Each import of somebody else's module that stands where it must not."""
    for file in sorted(package.rglob("*.py")):
        for one in imports(file):
            top = one.module.partition(".")[0]
            if top == "ctypes" and room_of_file(file, package) not in TALK_TO_C:
                yield one.broken("only bpftest/kernel/ and bpftest/sandbox/ talk to C")
            if top == "pytest" and room_of_file(file, package) != "pytest_plugin":
                yield one.broken("bpftest runs without pytest: only its plugin knows it")
            if top in LATE and one.at_once:
                yield one.broken(f"{top} is slow to import: do it inside the function that needs it")


def test_no_room_imports_through_a_closed_door() -> None:
    broken = list(closed_doors(PACKAGE))
    assert not broken, "\n".join(broken)


def test_slow_modules_are_imported_late_and_ctypes_by_two_rooms_only() -> None:
    broken = list(misplaced(PACKAGE))
    assert not broken, "\n".join(broken)


def test_every_room_has_its_doors_in_the_table() -> None:
    rooms = {room_of_file(file, PACKAGE) for file in PACKAGE.rglob("*.py")} - {"__init__"}
    assert rooms - set(DOORS) == set(), "give the new room its line in DOORS, and in CONTRIBUTING.md"


def test_contributors_read_of_the_same_doors() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", CONTRIBUTING.read_text(encoding="utf-8"), re.MULTILINE)
    told: dict[str, str] = {}
    for room, doors in rows:
        words = {"nothing of ours": "", "all above": " ".join(told)}
        told[room] = words.get(doors, doors.replace(",", ""))

    assert told == {room: doors for room, doors in DOORS.items() if room != "__main__"}


def test_every_door_leads_up_so_that_no_two_rooms_need_each_other() -> None:
    order = list(DOORS)
    doors = [(room, door.partition(".")[0]) for room in order for door in DOORS[room].split()]
    assert [(room, door) for room, door in doors if order.index(door) >= order.index(room)] == []


@pytest.mark.parametrize(
    ("file", "source", "message"),
    [
        ("suite/parse.py", "from bpftest.kernel.session import Session", "'suite' may import errors"),
        ("suite/parse.py", "from bpftest import events", "'suite' may import errors"),
        ("suite/parse.py", "def late():\n    import bpftest.plan", "'suite' may import errors"),
        ("plan.py", "from bpftest.kernel import session", "'plan' may import errors"),
        ("reporters/junit.py", "from bpftest.runner import run", "'reporters' may import errors, events"),
        ("errors.py", "import bpftest.events", "'errors' may import no other room"),
        ("btf.py", "import ctypes.util", "only bpftest/kernel/ and bpftest/sandbox/ talk to C"),
        ("cli.py", "def late():\n    from ctypes import CDLL", "only bpftest/kernel/ and bpftest/sandbox/ talk to C"),
        ("collect.py", "def late():\n    import pytest", "bpftest runs without pytest"),
        ("packets/layers.py", "from scapy.layers.inet import IP", "scapy is slow to import"),
        (
            "suite/schema.py",
            "try:\n    import jsonschema_rs\nexcept ImportError: pass",
            "jsonschema_rs is slow to import",
        ),
        ("reporters/junit.py", "class Report:\n    import junit_xml", "junit_xml is slow to import"),
    ],
)
def test_a_wrong_import_is_reported_with_its_line_and_the_rule(
    tmp_path: Path, file: str, source: str, message: str
) -> None:
    wrong = tmp_path / file
    wrong.parent.mkdir(exist_ok=True)
    wrong.write_text(f"'''A module.'''\n{source}\n", encoding="utf-8")

    (report,) = [*closed_doors(tmp_path), *misplaced(tmp_path)]

    assert report.startswith(f"{wrong}:")
    assert message in report


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("suite/parse.py", "from bpftest.suite.model import Suite\nfrom bpftest.errors import SuiteError"),
        ("cli.py", "from bpftest import __version__"),
        ("plan.py", "from bpftest.kernel.door import Request"),
        ("packets/layers.py", "def layers():\n    import scapy.layers.inet"),
        (
            "packets/layers.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from scapy.packet import Packet",
        ),
        ("kernel/libbpf.py", "import ctypes"),
    ],
)
def test_a_right_import_is_let_through(tmp_path: Path, file: str, source: str) -> None:
    right = tmp_path / file
    right.parent.mkdir(exist_ok=True)
    right.write_text(source, encoding="utf-8")

    assert [*closed_doors(tmp_path), *misplaced(tmp_path)] == []
