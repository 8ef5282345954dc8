"""docs/program-types.md, made from the tables of the code.

To be written again: python -m tools.program_types > docs/program-types.md
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from bpftest.plan.ctx import KEYS
from bpftest.progtypes import PROG_TYPES
from bpftest.progtypes.hooks import HOOKS, NOTES, SENT, hooks_of
from bpftest.progtypes.sections import SECTIONS, UNTESTABLE
from bpftest.progtypes.skb import SK_BUFF
from bpftest.suite.schema import schema_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bpftest.progtypes import ProgType

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "examples")
DEFS: dict[str, Any] = json.loads(schema_text())["$defs"]

HEAD = """\
# Program types

What the kernel's BPF_PROG_RUN does with each type of program: what a case can give, what comes back, what surprises.

Which of these types *your* kernel runs, `bpftest doctor` finds out by trying them. A case whose type it does not run is
skipped, with the kernel's answer as the reason. What a type does not take is refused before anything is loaded, with
the list of what it takes.

<!-- Made from the tables in bpftest/progtypes, the schema, and docs/examples by: python -m tools.program_types -->
"""
COMMON = """\
* With every type, a case also takes `maps`, `globals`, `sockets`, `cpu` and `timeout`, and `expect` also knows `maps`,
  `globals`, `errno`, `loads` and `load_error`.
* Sizes count the Ethernet header, and hold for pages of 4,096 bytes.
* The release of Linux is the first whose BPF_PROG_RUN took the type.
* The type follows from the ELF section. Where it does not, or where libbpf is older than the section's name, say
  `type:`.
* With `repeat`, the kernel restores neither packet nor ctx between the runs: each sees what the one before has left,
  and what comes back is the end of the last.
"""
SKB_HEAD = """\
## skb types

{names} share the context struct __sk_buff and the function that runs them, so this holds for all of them:
"""
UNTESTABLE_HEAD = """\
## Types without a test run

No kernel test-runs programs in these sections: bpftest refuses them, and says what can be done instead.
"""
SEES = {
    "ethernet": "an Ethernet frame",
    "ip": "an IP packet",
    "hook": "an IP packet",
}


def page() -> str:
    """The page, in Markdown."""
    parts = [HEAD, _table(SUMMARY, map(_summary, PROG_TYPES.values())), COMMON]
    for prog_type in PROG_TYPES.values():
        if prog_type is SKB_TYPES[0]:
            parts += _skb_section()
        parts += _section(prog_type)
    rows = ((f"`{section}`", name, instead) for section, (name, instead) in UNTESTABLE.items())
    parts += [UNTESTABLE_HEAD, _table(("section", "type", "instead"), rows)]
    return "\n".join(parts)


SKB_TYPES = tuple(prog_type for prog_type in PROG_TYPES.values() if prog_type.ctx is SK_BUFF)
SKB_NOTES = tuple(
    note for note in SKB_TYPES[0].notes.splitlines() if all(note in one.notes.splitlines() for one in SKB_TYPES)
)
SUMMARY = ("type", "the program gets", "a case gives", "what comes back", "Linux")


def _summary(prog_type: ProgType) -> tuple[str, ...]:
    link = f"[{prog_type.name}](#{prog_type.name})"
    return link, _gets(prog_type), _codes(prog_type.takes), _codes(prog_type.gives_back), prog_type.since


def _gets(prog_type: ProgType) -> str:
    if prog_type.sees:
        return f"{SEES[prog_type.sees]}, {prog_type.sizes}"
    return _codes([prog_type.ctx.struct]) if prog_type.ctx else prog_type.sizes


def _skb_section() -> Iterator[str]:
    """What the skb types have in common."""
    *names, last = (f"[{prog_type.name}](#{prog_type.name})" for prog_type in SKB_TYPES)
    yield SKB_HEAD.format(names=f"{', '.join(names)} and {last}")
    yield _table(CTX, _fields(SKB_TYPES[0]))
    yield _list(SKB_NOTES)


CTX = ("`ctx`", "is given", "comes back", "")


def _section(prog_type: ProgType) -> Iterator[str]:
    yield f"## {prog_type.name}\n"
    yield _table(("", ""), _facts(prog_type))
    if prog_type.ctx_kind and prog_type not in SKB_TYPES:
        yield _table(CTX, _fields(prog_type))
    if prog_type.gives == "flow_keys":
        keys = DEFS["expect"]["properties"]["output"]["properties"]["flow_keys"]["properties"]
        yield _table(("`flow_keys`", ""), ((f"`{key}`", said["description"]) for key, said in keys.items()))
    shared = SKB_NOTES if prog_type in SKB_TYPES else ()
    yield _list([note for note in prog_type.notes.splitlines() if note not in shared])
    yield from _live(prog_type)
    with open(os.path.join(EXAMPLES, f"{prog_type.name}.yaml"), encoding="utf-8") as example:
        yield f"```yaml\n{example.read()}```\n"


def _live(prog_type: ProgType) -> Iterator[str]:
    """What there is to know of a program that is attached."""
    hooks = hooks_of(prog_type.name)
    if not hooks:
        return
    notes = NOTES[prog_type.name] + ("" if all(HOOKS[name].arriving for name in hooks) else SENT)
    yield f"With `live`, the program is attached, and packets really go through it:\n\n{_list(notes.splitlines())}"


def _facts(prog_type: ProgType) -> Iterator[tuple[str, str]]:
    """What can be said of a type in a line each."""
    facts = {
        "type": f"BPF_PROG_TYPE_{prog_type.name.upper()} ({prog_type.number}), test-run since Linux {prog_type.since}",
        "sections": _codes(section for section, (name, _) in SECTIONS.items() if name == prog_type.name),
        "the program gets": _gets(prog_type),
        "`ctx`": _context(prog_type),
        "a case gives": _codes(prog_type.takes),
        "what comes back": _codes(prog_type.gives_back),
        "return codes": ", ".join(_return_codes(prog_type)),
        "`flags`": _codes(prog_type.flags),
        "`attach_type`": _codes(prog_type.attach_types),
        "`live.hook`": _codes(hooks_of(prog_type.name)),
        "errnos, and their causes": "; ".join(_errnos(prog_type)),
    }
    return ((f"**{name}**", said) for name, said in facts.items() if said)


def _context(prog_type: ProgType) -> str:
    if prog_type in SKB_TYPES:
        return "struct __sk_buff, see [skb types](#skb-types)"
    return prog_type.ctx.struct if prog_type.ctx and prog_type.sees else ""


def _return_codes(prog_type: ProgType) -> Iterator[str]:
    yield from (f"`{name}` ({number})" for name, number in prog_type.codes)
    yield from (f"{number} ({word})" for number, word in prog_type.words.items())


def _errnos(prog_type: ProgType) -> Iterator[str]:
    """Each errno that is explained, and the keys that can be its cause."""
    causes: dict[str, dict[str, None]] = {}
    for rule in prog_type.rules:
        if rule.errno and rule.key != "name":
            causes.setdefault(rule.errno, {})[rule.key] = None
    yield from (f"{errno}: {_codes(keys)}" for errno, keys in causes.items())


def _fields(prog_type: ProgType) -> Iterator[tuple[str, str, str, str]]:
    """The fields of the ctx: name, whether a case gives them, whether they come back, what they are."""
    given: tuple[str, ...] = KEYS.get(prog_type.ctx_kind, ())
    back: tuple[str, ...] = {"state": ("state",), "btf": ("fields", "hex")}.get(prog_type.ctx_kind, ())
    if prog_type.ctx:
        given, back = prog_type.ctx.settable, prog_type.ctx.returned
    after = DEFS["expect"]["properties"]["ctx"]["properties"]
    for name in dict.fromkeys((*given, *back)):
        said = DEFS["ctx"]["properties"] if name in given else after
        yield f"`{name}`", _yes(name in given), _yes(name in back), _of_type(said[name]["description"], prog_type)


def _of_type(description: str, prog_type: ProgType) -> str:
    """The sentences of a description that hold for the type: "xdp: ..." and "skb types: ..." are for these alone."""
    said = []
    for sentence in re.split(r"(?<=\.) ", description):
        scope, _, rest = sentence.partition(": ")
        if scope in PROG_TYPES or scope == "skb types":
            holds = prog_type.flags if scope == "skb types" else scope == prog_type.name
            said += [rest[0].upper() + rest[1:]] if holds else []
        else:
            said.append(sentence)
    return " ".join(said)


def _list(notes: Iterable[str]) -> str:
    return "".join(f"* {note}\n" for note in notes)


def _yes(true: object) -> str:
    return "yes" if true else ""


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
