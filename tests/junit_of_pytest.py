"""What JUnit files of bpftest and of pytest say of the same cases, brought to one form."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

Verdicts = dict[str, tuple[str, str]]  # by "suites.firewall::drops telnet": what it is, and its message


def of_bpftest(path: Path) -> Verdicts:
    """What `bpftest run --junit-xml` has written; names as pytest has them."""
    names = [(case.get("name") or "").replace("::", ":\\x3a") for case in _cases(path)]
    return {
        f"{case.get('classname')}::{name}": _verdict(case, "bpftest")
        for case, name in zip(_cases(path), names, strict=True)
    }


def of_pytest(path: Path) -> Verdicts:
    """What `pytest --junit-xml` has written of suites."""
    found = {}
    for case in _cases(path):
        kind, message = _verdict(case, "pytest")
        classname = (case.get("classname") or "").removesuffix(".yaml")
        found[f"{classname}::{case.get('name')}"] = kind, re.sub(r'\Afailed on setup with "(.*)"\Z', r"\1", message)
    return found


def _cases(path: Path) -> list[ET.Element]:
    return list(ET.parse(path).iter("testcase"))  # noqa: S314 - written by ourselves


def _verdict(case: ET.Element, tool: str) -> tuple[str, str]:
    for kind in ("failure", "error", "skipped"):
        told = case.find(kind)
        if told is not None:
            return "xfail" if told.get("type") == f"{tool}.xfail" else kind, told.get("message") or ""
    return "passed", ""
