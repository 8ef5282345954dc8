"""`bpftest blast`: one case with live frames again and again, to see how many a second go through its program."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from bpftest.commands.exits import INVALID, PASSED, SIGNALS, show_invalid
from bpftest.errors import ProgramError, RunError, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from bpftest.collect import Collection
    from bpftest.kernel.door import Request
    from bpftest.plan import Job
    from bpftest.runner import Session

FRAMES = 65_536  # of each run: some tenths of a second at most
SHOWN_S = 1.0  # between two lines
SECONDS_MAX = 86_400.0


class Sent(NamedTuple):
    """What has gone through so far."""

    seconds: float  # since the first frame, with all that is done between two runs
    frames: int
    duration_ns: int  # in the kernel, of all of them

    def text(self) -> str:
        """The figures for people; the rate is the kernel's, without what reading the frames back takes."""
        if not self.duration_ns:
            return "no frame went through"
        rate, mean_ns = self.frames * 1_000_000_000 / self.duration_ns, self.duration_ns / self.frames
        return f"{self.seconds:5.1f} s  {self.frames:,} frames  {rate:,.0f} pps  ({mean_ns:,.0f} ns each)"


def arguments(parser: ArgumentParser) -> None:
    """Which case, and how long."""
    parser.add_argument("case", metavar="FILE::CASE", help="a case with `live` frames; FILE:LINE names it too")
    parser.add_argument(
        "--seconds", type=_seconds, default=5.0, metavar="N", help="how long frames are sent (default: 5)"
    )


def _seconds(text: str) -> float:
    from argparse import ArgumentTypeError

    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if 0 < seconds <= SECONDS_MAX:
        return seconds
    raise ArgumentTypeError(f"{text!r} is no number of seconds above 0, and {SECONDS_MAX:,.0f} at most")


def run(options: Namespace) -> int:
    """Sends the frames and prints how many went through; what the case expects is not looked at."""
    from argparse import Namespace

    from bpftest.collect import collect, plans
    from bpftest.executors import local
    from bpftest.executors.interrupts import Interrupts

    collection = collect(Namespace(paths=[options.case], keyword=None, tag=None))
    made, unplannable = plans(collection.chosen)
    invalid = (*collection.invalid, *unplannable)
    if invalid:
        show_invalid(invalid)
        return INVALID
    name = _only_case(collection)
    job = next(job for job in made[0].jobs if job.case.name == name)
    request = _request(job)
    local.prepare()
    sent = Sent(0.0, 0, 0)
    with Interrupts():
        try:
            for sent in _blasted(job, request, options.seconds):
                print(sent.text(), flush=True)
        except KeyboardInterrupt as signal:
            return SIGNALS[str(signal)]
    return PASSED


def _only_case(collection: Collection) -> str:
    names = [name for one in collection.chosen for name in one.names]
    if len(names) != 1:
        raise UsageError(f"one case is sent, and {len(names)} are meant", "name it: FILE::CASE or FILE:LINE")
    return names[0]


def _request(job: Job) -> Request:
    """What is sent. Raises UsageError for a case whose frames are not live."""
    if job.problem is not None:
        raise job.problem
    (first, *others) = job.steps
    if first.ask is None or others or first.context.live is None:
        hint = "give a case 'live: {ingress: NAME}', and no steps"
        raise UsageError(f"'{job.case.name}' has no live frames to send", hint)
    if first.context.live.hook:
        hint = "only xdp programs have a mean time of a live frame"
        raise UsageError(f"the kernel measures no rate of '{job.case.name}', whose program is attached", hint)
    return first.ask(()).request._replace(repeat=FRAMES, benchmark=None)


def _blasted(job: Job, request: Request, seconds: float) -> Iterator[Sent]:
    """What has gone through, each second and at the end."""
    from bpftest.executors.local import RunningKernel

    kernel = RunningKernel()
    lack = kernel.lacks(job.case.requires)
    if lack:
        raise RunError(f"this machine cannot run '{job.case.name}': {lack}")
    assert job.loading is not None
    session = kernel.open(job.loading)
    try:
        if session.report.errno:
            raise ProgramError(f"'{job.loading.program}' cannot be loaded", "`bpftest run` shows why")
        session.begin(job.sockets, job.network)
        yield from _told(job, session, request, seconds)
    finally:
        session.close()


def _told(job: Job, session: Session, request: Request, seconds: float) -> Iterator[Sent]:
    from errno import EINTR

    from bpftest.kernel.door import Observation, Setup
    from bpftest.verdicts import run_refusal

    # Frames are read back and thrown away; maps are filled before the first, and not again.
    request = request._replace(setup=request.setup._replace(frames=(), received=(), records=(), reads=(), before=()))
    started = shown = time.monotonic()
    frames = duration_ns = 0
    while True:
        reply = session.run(request._replace(timeout_s=started + seconds - time.monotonic()))
        request = request._replace(setup=Setup())
        now = time.monotonic()
        if not reply.errno:
            frames, duration_ns = frames + request.repeat, duration_ns + reply.duration_ns * request.repeat
        elif reply.errno != EINTR:
            raise run_refusal(job.steps[0], [Observation(session.report, reply)])
        sent = Sent(now - started, frames, duration_ns)
        if now - started >= seconds:
            yield sent
            return
        if now - shown >= SHOWN_S:
            shown = now
            yield sent
