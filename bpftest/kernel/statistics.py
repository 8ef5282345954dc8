"""How often programs run: a counter at the entry of each, in a map of bpftest's own.

The kernel's own count (run_cnt of struct bpf_prog_info) is made by who calls a program: __bpf_prog_run,
include/linux/filter.h, and the trampolines. A tail call jumps from one program into the next and is not counted. So
libbpf is made to put four instructions before the code of a program when that is final, just before the kernel gets
it. Only programs that are attached keep the kernel's count: trampolines alone call these, and libbpf attaches
nothing with a handler that is not its own.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import struct
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from bpftest.errors import HostError, ObjectError
from bpftest.kernel import libbpf
from bpftest.kernel.objects import Loaded, opened, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bpftest.kernel.door import Also, Loading

BPF_MAP_TYPE_ARRAY, BPF_STATS_RUN_TIME = 2, 0  # enum bpf_map_type, enum bpf_stats_type
BPF_F_SLEEPABLE, BPF_F_XDP_HAS_FRAGS = 1 << 4, 1 << 5  # linux/bpf.h
COUNT = 8  # bytes of a counter
ONLY_KEY = bytes(4)
SLOTS = 4  # instructions that are put before a program; ld_imm64 takes two


class Counters:
    """The counters of the programs that *loading* wants counted."""

    def __init__(self, loading: Loading, wanted: tuple[Also, ...], content: bytes) -> None:
        """*wanted*: all programs that are loaded. *content*: of the object. Raises ObjectError, HostError."""
        by_name = {one.program: one for one in wanted}
        self._at_entry = [name for name in loading.counted if not by_name[name].attached]
        self._attached = [name for name in loading.counted if by_name[name].attached]
        self._sections = _sections(loading, content, {name: by_name[name] for name in self._at_entry})
        self._prepare = libbpf.PREPARE_LOAD(self._prepared)  # libbpf keeps a pointer to it
        self._kept: list[object] = []  # what the kernel is given, until it has it
        self._placed: set[str] = set()
        self._map = -1
        if self._at_entry:
            self._map = libbpf.library().bpf_map_create(
                BPF_MAP_TYPE_ARRAY, b"bpftest_runs", len(ONLY_KEY), COUNT * len(self._at_entry), 1, None
            )
            if self._map < 0:
                raise HostError(f"a map of counters cannot be made: {os.strerror(libbpf.last_errno())}")

    @contextmanager
    def put_in(self) -> Iterator[None]:
        """In this block libbpf puts the counters into what it opens and loads. Raises ObjectError after it."""
        library = libbpf.library()
        _keep_one_handler()
        handlers = []
        try:
            for name, section in self._sections.items():
                handlers.append(_registered(name, section, self._prepare))
            yield
        except BaseException:
            self.close()
            raise
        finally:
            for number in handlers:
                library.libbpf_unregister_prog_handler(number)
            self._kept.clear()

    def refuse_uncounted(self) -> None:
        """Raises ObjectError for a program that has been loaded without its counter."""
        for name in self._at_entry:
            if name not in self._placed:
                hint = "programs of one section are counted only if they have one type: give it a section of its own"
                raise ObjectError(f"the runs of '{name}' cannot be counted", hint)

    @contextmanager
    def counting(self, loaded: Loaded) -> Iterator[Callable[[], tuple[tuple[str, int], ...]]]:
        """In this block runs are counted; what comes is called for (program, how often it has run)."""
        if self._at_entry:
            libbpf.library().bpf_map_update_elem(self._map, ONLY_KEY, bytes(COUNT * len(self._at_entry)), 0)
        if not self._attached:
            yield lambda: self._counts({})
            return
        statistics = libbpf.library().bpf_enable_stats(BPF_STATS_RUN_TIME)
        if statistics < 0:
            raise HostError(f"the kernel counts no runs: {os.strerror(libbpf.last_errno())}")
        try:
            before = {name: run_count(loaded.descriptor(name)) for name in self._attached}
            yield lambda: self._counts(
                {name: run_count(loaded.descriptor(name)) - count for name, count in before.items()}
            )
        finally:
            os.close(statistics)

    def close(self) -> None:
        """Gives the map back to the kernel."""
        if self._map >= 0:
            os.close(self._map)
            self._map = -1

    def _counts(self, attached: dict[str, int]) -> tuple[tuple[str, int], ...]:
        values = ctypes.create_string_buffer(COUNT * len(self._at_entry))
        if self._at_entry:
            libbpf.library().bpf_map_lookup_elem(self._map, ONLY_KEY, values)
        numbers = struct.unpack(f"={len(self._at_entry)}Q", values.raw)
        return (*zip(self._at_entry, numbers, strict=True), *attached.items())

    def _prepared(self, program: int, options: int, _cookie: int) -> int:
        """libbpf is about to load *program*: what its own handler would do, and the counter."""
        try:
            self._prepare_program(program, libbpf.ProgLoadOpts.from_address(options))
        except Exception:  # noqa: BLE001 - it would be lost between C functions; refuse_uncounted tells
            return -errno.EINVAL
        return 0

    def _prepare_program(self, program: int, options: libbpf.ProgLoadOpts) -> None:
        library = libbpf.library()
        name = library.bpf_program__name(program).decode("utf-8", "replace")
        options.prog_flags |= self._sections[_section_of(program)].flags
        if name not in self._at_entry:
            return
        before = counter(self._map, COUNT * self._at_entry.index(name))
        length = library.bpf_program__insn_cnt(program)
        code = before + ctypes.string_at(library.bpf_program__insns(program), 8 * length)
        failed = library.bpf_program__set_insns(program, code, length + SLOTS)
        if failed:
            raise OSError(-failed, "bpf_program__set_insns")
        options.func_info = self._shifted(options.func_info, options.func_info_cnt, options.func_info_rec_size)
        options.line_info = self._shifted(options.line_info, options.line_info_cnt, options.line_info_rec_size)
        self._placed.add(name)

    def _shifted(self, address: int | None, count: int, size: int) -> int | None:
        """A copy of struct bpf_func_info or bpf_line_info for code that begins SLOTS later; both begin with insn_off.

        What the kernel knows of the first instruction holds for the counter too.
        """
        if not address or not count:
            return address
        records = ctypes.create_string_buffer(ctypes.string_at(address, count * size), count * size)
        for at in range(0, count * size, size):
            (offset,) = struct.unpack_from("=I", records, at)
            struct.pack_into("=I", records, at, offset + SLOTS if offset else 0)
        self._kept.append(records)
        return ctypes.addressof(records)


@functools.cache
def _keep_one_handler() -> None:
    """Registers a handler that stays, for a section that no object has.

    Before 1.3, libbpf frees its list of handlers with the last of them and goes on using it ("libbpf: fix realloc
    API handling in zero-sized edge cases").
    """
    _registered("bpftest/none", _Section(0, 0, 0), libbpf.PREPARE_LOAD())


def _registered(name: str, section: _Section, prepare: Callable[[int, int, int], int]) -> int:
    """The number of a handler for the programs of a section that libbpf opens from here on. Raises ObjectError."""
    options = libbpf.ProgHandlerOpts(sz=ctypes.sizeof(libbpf.ProgHandlerOpts), prog_prepare_load_fn=prepare)
    number: int = libbpf.library().libbpf_register_prog_handler(
        name.encode(), section.prog_type, section.attach_type, ctypes.byref(options)
    )
    if number < 0:
        raise ObjectError(f"libbpf puts no counters into section '{name}': {os.strerror(-number)}")
    return number


class _Section(NamedTuple):
    """What libbpf's handler of a section tells and does."""

    prog_type: int
    attach_type: int
    flags: int  # BPF_F_* of BPF_PROG_LOAD


def _sections(loading: Loading, content: bytes, counted: dict[str, Also]) -> dict[str, _Section]:
    """The sections of the programs that get a counter, by name. Raises ObjectError."""
    library = libbpf.library()
    found: dict[str, _Section] = {}
    looked_at = Loaded(opened(loading.path, content))
    try:
        for program in walk(library.bpf_object__next_program, looked_at):
            name = library.bpf_program__name(program).decode("utf-8", "replace")
            if name in counted:
                found[_section_of(program)] = _section(program, counted[name])
    finally:
        looked_at.close()
    return found


def _section(program: int, wanted: Also) -> _Section:
    library = libbpf.library()
    own_type = library.bpf_program__type(program)
    if wanted.prog_type not in (None, own_type):  # then libbpf's handler has no say: bpf_program__set_type
        assert wanted.prog_type is not None
        return _Section(wanted.prog_type, 0, 0)
    return _Section(own_type, library.bpf_program__expected_attach_type(program), section_flags(_section_of(program)))


def _section_of(program: int) -> str:
    """The section of *program* as libbpf compares it."""
    name: bytes = libbpf.library().bpf_program__section_name(program)
    return name.decode("utf-8", "replace").removeprefix("?")


def section_flags(section: str) -> int:
    """The load flags that libbpf gives the programs of *section*: section_defs, libbpf.c."""
    kind = section.partition("/")[0]
    sleepable = kind.endswith(".s") or kind == "syscall"
    return BPF_F_SLEEPABLE * sleepable | BPF_F_XDP_HAS_FRAGS * (kind == "xdp.frags")


def counter(map_fd: int, offset: int) -> bytes:
    """Instructions that add one to the number at *offset* of the value of *map_fd*. At entry only r1 is in use."""
    return b"".join(
        (
            _instruction(0x18, 2, 2, map_fd),  # r2 = the address of the value, BPF_PSEUDO_MAP_VALUE
            _instruction(0, 0, 0, offset),
            _instruction(0xB7, 3, 0, 1),  # r3 = 1
            _instruction(0xDB, 2, 3, 0),  # lock *(u64 *)(r2 + 0) += r3
        )
    )


def _instruction(code: int, destination: int, source: int, immediate: int) -> bytes:
    """struct bpf_insn; its two registers are bit-fields, which the byte order turns round."""
    registers = source << 4 | destination if sys.byteorder == "little" else destination << 4 | source
    return struct.pack("=BBhi", code, registers, 0, immediate)


def run_count(program_fd: int) -> int:
    """How often the kernel has counted a run of the program, while somebody held a descriptor of bpf_enable_stats."""
    info = libbpf.ProgInfo()
    size = ctypes.c_uint32(ctypes.sizeof(info))
    if libbpf.library().bpf_obj_get_info_by_fd(program_fd, ctypes.byref(info), ctypes.byref(size)):
        raise HostError(f"the kernel tells nothing of a program: {os.strerror(libbpf.last_errno())}")
    found: int = info.run_cnt
    return found
