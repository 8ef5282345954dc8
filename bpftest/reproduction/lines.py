"""Lines of a reproduction: commands that a shell takes as they are, and remarks that it leaves alone."""

from __future__ import annotations

from shlex import quote
from textwrap import wrap
from typing import TYPE_CHECKING

from bpftest.errors import SuiteError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bpftest.plan import Job, JobStep

WIDTH = 110  # columns; a longer command is broken before its options


def command(*words: str | tuple[str, ...]) -> str:
    """The command of *words*, quoted for a shell; those of a tuple stay together when it is broken into lines."""
    groups = [_quoted((one,)) if isinstance(one, str) else _quoted(one) for one in words]
    line = " ".join(groups)
    if len(line) <= WIDTH:
        return line
    options = [group for group, one in zip(groups, words, strict=True) if isinstance(one, tuple)]
    plain = [group for group, one in zip(groups, words, strict=True) if isinstance(one, str)]
    return " \\\n    ".join([" ".join(plain), *options])


def _quoted(words: tuple[str, ...]) -> str:
    return " ".join(map(quote, words))


def remark(text: str) -> str:
    """*text* as comments."""
    return "\n".join(f"# {line}" for line in wrap(text, WIDTH - 2, break_long_words=False, break_on_hyphens=False))


def summary(job: Job) -> Iterator[str]:
    """What the suite says of the case beside its run."""
    if job.case.skip:
        yield remark(f"the suite skips it: {job.case.skip}")
    if job.case.xfail:
        yield remark(f"it is known to fail: {job.case.xfail}")


def expected(step: JobStep) -> Iterator[str]:
    """What bpftool is to print, where the suite says it in a word. bpftool prints it without a sign."""
    if "errno" in step.step.expect:
        yield remark(f"expected: the kernel refuses the run, with {step.step.expect['errno'].value}")
        return
    want = step.step.expect["retval"].value if "retval" in step.step.expect else None
    if not isinstance(want, (int, str)):
        return
    try:
        code = step.context.prog_type.return_code(want)
    except SuiteError:
        return
    shown = step.context.prog_type.code_text(code)
    unsigned = f", which bpftool prints as {code & 0xFFFFFFFF}" if code < 0 else ""
    yield remark(f"expected: retval {shown}{unsigned}")
