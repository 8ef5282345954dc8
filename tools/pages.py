"""Pages of docs/ that are run: the files they show are written, their commands called, what these print compared.

    python -m tools.pages docs/tutorial.md ...     runs the pages as root, and writes into them what commands print now

A fence whose title names a file (```yaml title="firewall.yaml") is that file. In a ```console fence, a line behind
`$ ` is a command, and what follows is what it prints; a line `...` there stands for any lines. A comment
`<!-- file: NAME = PATH -->` brings a file of the project. Each page has a folder of its own; `sudo` does nothing there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from difflib import SequenceMatcher
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATIENCE = 180  # seconds
FENCE = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$'
    r"|^<!-- file: (?P<copy>\S+) = (?P<of>\S+) -->$",
    re.MULTILINE | re.DOTALL,
)
COMMAND = re.compile(r"^\$ (?P<command>(?:.*\\\n)*.*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)

SUDO = 'while [ "${1#-}" != "$1" ]; do shift; done; exec "$@"'  # without its options
RELEASE = re.compile(r"(Linux \d+\.\d+\.\d+)-\S+")  # what a distribution adds to it is of no interest

# What differs from run to run and from machine to machine, and what stands for it where outputs are compared.
MASKS = (
    (re.compile(r"\[ *[\d.]+ m?s\]"), "[TIME]"),
    (re.compile(r" +SLOW$", re.MULTILINE), ""),
    (re.compile(r"\b\d+(\.\d+)? ?(ns|us|ms|s)\b"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? ?[kM]?pps\b"), "RATE"),
    (re.compile(r"^( += (?:duration\w*|verified_insns|jited_bytes) +)\d+$", re.MULTILINE), r"\1NUMBER"),
    (re.compile(r"^bpftest \S+( ·|,) .*$", re.MULTILINE), "bpftest RELEASE"),
    (re.compile(r"\bLinux \d+\.\d+[\d.]*"), "Linux RELEASE"),
    (re.compile(r"duration_ms: [\d.]+"), "duration_ms: NUMBER"),
    (re.compile(r" +"), " "),
)


class Block(NamedTuple):
    """A fence of a page."""

    language: str  # "" of a file that the project brings
    title: str  # the file that it is; "" if it is none
    text: str
    start: int  # offset of the text in the page


class Command(NamedTuple):
    """A command of a console block, and what it prints."""

    line: str
    output: str
    start: int  # offset of the output in the page


def blocks(page: str) -> Iterator[Block]:
    """The fences of a page, and the files of the project that it brings, in their order."""
    for fence in FENCE.finditer(page):
        if fence["copy"]:
            yield Block("", fence["copy"], fence["of"], fence.start("of"))
        else:
            yield Block(fence["language"], fence["title"] or "", fence["text"], fence.start("text"))


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block."""
    for found in COMMAND.finditer(block.text):
        yield Command(found["command"], found["output"], block.start + found.start("output"))


def runs(page: str) -> bool:
    """Whether a page is run: it shows a file that its commands are about, or brings one."""
    return any(block.title for block in blocks(page))


def replayed(page: str, folder: str) -> str:
    """The page with what its commands print now, wherever that is not what it says. *folder*: an empty one."""
    parts, end, code = [], 0, 0
    environment = _environment(folder)
    work = os.path.join(folder, "work")
    os.mkdir(work)
    found = list(blocks(page))
    for block in reversed(found):  # what a page shows below its commands is there from the start
        if block.title:
            _write(os.path.join(work, block.title), _content(block))
    for block in found:
        if block.title:
            _write(os.path.join(work, block.title), _content(block))
        for command in commands(block) if block.language == "console" else ():
            output, code = _called(command.line, work, environment, code)
            if not alike(command.output, output):
                parts += [page[end : command.start], _changed(command.output, output)]
                end = command.start + len(command.output)
    return "".join([*parts, page[end:]])


def alike(shown: str, printed: str) -> bool:
    """Whether a page may show *shown* where a command prints *printed*."""
    lines = masked(shown).splitlines(keepends=True)
    pattern = "".join("(?s:.*)" if line == "...\n" else re.escape(line) for line in lines)
    return re.fullmatch(pattern, masked(printed)) is not None


def _changed(shown: str, printed: str) -> str:
    """*printed*, where a line is alike as it was shown. Where an output was cut, it is to be cut again."""
    before, now = shown.splitlines(keepends=True), printed.splitlines(keepends=True)
    same = SequenceMatcher(None, list(map(masked, before)), list(map(masked, now)), autojunk=False).get_opcodes()
    parts = (before[i:j] if kind == "equal" else now[k:end] for kind, i, j, k, end in same)
    return "".join(line for part in parts for line in part)


def masked(text: str) -> str:
    """*text* without what differs from run to run."""
    for pattern, mask in MASKS:
        text = pattern.sub(mask, text)
    return text


def _content(block: Block) -> bytes:
    if block.language:
        return block.text.encode()
    with open(os.path.join(PROJECT, block.text), "rb") as file:
        return file.read()


def _write(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def _environment(folder: str) -> dict[str, str]:
    """The environment of the commands, with a `bpftest` that is this one and a `sudo` that does nothing."""
    tools = os.path.join(folder, "bin")
    os.mkdir(tools)
    scripts = {"bpftest": f'exec "{sys.executable}" -m bpftest "$@"', "sudo": SUDO}
    for name, script in scripts.items():
        path = os.path.join(tools, name)
        _write(path, f"#!/bin/sh\n{script}\n".encode())
        os.chmod(path, 0o700)
    cache = os.environ.get("XDG_CACHE_HOME", os.path.join(folder, "cache"))
    return {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "HOME": folder,
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": PROJECT,
        "PYTHONPYCACHEPREFIX": f"{cache}-of-python",  # this checkout stays as it is
        "XDG_CACHE_HOME": cache,
    }


def _called(command: str, folder: str, environment: dict[str, str], code: int) -> tuple[str, int]:
    """What the command prints, and its exit code. *code*: that of the one before, for `echo $?`."""
    done = subprocess.run(
        ["bash", "-c", f"(exit {code})\n{command}"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    output = RELEASE.sub(r"\1", done.stdout)
    return output if output.endswith("\n") or not output else f"{output}\n", done.returncode


def _main(paths: list[str]) -> None:
    for path in paths:
        with open(path, encoding="utf-8") as file:
            page = file.read()
        with TemporaryDirectory() as folder:
            now = replayed(page, folder)
        if now != page:
            with open(path, "w", encoding="utf-8") as file:
                file.write(now)
        print(f"{path}: {'written' if now != page else 'as it was'}")


if __name__ == "__main__":
    _main(sys.argv[1:])
