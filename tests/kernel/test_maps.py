"""Entries of maps of every type, put in before a run and read after it, through the kernel's door."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from bpftest.errors import ObjectError, ProgramError
from bpftest.kernel import libbpf
from bpftest.kernel.compile import compiled
from bpftest.kernel.door import (
    Also,
    Bulk,
    Contents,
    Delete,
    Handle,
    Loading,
    Patch,
    Read,
    Reply,
    Request,
    Setup,
    Size,
    Socket,
    Write,
)
from bpftest.kernel.map import cpus, padded
from bpftest.kernel.session import Session
from tests.kernel.conftest import descriptors

pytestmark = pytest.mark.kernel

XDP = 6  # enum bpf_prog_type
SOURCE = "tests/programs/every_map.bpf.c"
ALSO = (Also("another"), Also("leaving"), Also("on_cpu"))
SOCKETS = (Socket("web", "tcp", "127.0.0.1", 0), Socket("dns", "udp", "127.0.0.1", 0))
LOOPBACK = 1  # the ifindex of lo, in every network namespace

Entries = dict[bytes, bytes | None]


def u32(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "little") for number in numbers)


def prefix(length: int, first: int) -> bytes:
    return u32(length) + bytes([first, 0, 0, 0])


def each_cpu(*values: bytes) -> bytes:
    """A value of a per-CPU map; CPUs beyond the first have the last of *values*."""
    all_values = (*values, *[values[-1]] * cpus())[: cpus()]
    return b"".join(value.ljust(padded(len(value)), b"\0") for value in all_values)


def loading(*sizes: Size) -> Loading:
    return Loading(compiled(SOURCE, ()), "pass", XDP, also=ALSO, sizes=sizes)


@pytest.fixture
def session() -> Iterator[Session]:
    opened = Session(loading())
    opened.begin(SOCKETS)
    yield opened
    opened.close()


def run(session: Session, *writes: Write | Bulk | Delete, **setup: object) -> Reply:
    reply = session.run(Request(bytes(64), setup=Setup(writes=writes, **setup)))
    assert reply.errno == 0
    return reply


def entries(session: Session, *writes: Write | Bulk | Delete) -> Entries:
    """What the map that is written to holds after the run."""
    (contents,) = run(session, *writes, reads=(Read(writes[0].map),)).contents
    found = dict(contents.entries)
    assert len(found) == len(contents.entries), "no key is there twice"
    return found


# --- bytes --------------------------------------------------------------------------------------------------------

HASHES = ("hash", "not_preallocated", "lru_hash")
PER_CPU_HASHES = ("percpu_hash", "lru_percpu_hash")


@pytest.mark.parametrize("name", HASHES)
def test_entries_of_a_hash_map_are_put_in_and_taken_out(session: Session, name: str) -> None:
    writes = Write(name, u32(1), u32(5)), Write(name, u32(2), u32(6)), Write(name, u32(1), u32(7))

    assert entries(session, *writes) == {u32(1): u32(7), u32(2): u32(6)}
    assert entries(session, Delete(name, u32(1)), Delete(name, u32(99))) == {u32(2): u32(6)}


@pytest.mark.parametrize("name", PER_CPU_HASHES)
def test_entries_of_a_per_cpu_hash_map_have_a_value_for_each_cpu(session: Session, name: str) -> None:
    writes = Write(name, u32(1), u32(5)), Write(name, u32(2), (u32(6),))

    assert entries(session, *writes) == {u32(1): each_cpu(u32(5)), u32(2): each_cpu(u32(6), u32(0))}
    assert entries(session, Delete(name, u32(1))) == {u32(2): each_cpu(u32(6), u32(0))}


def test_an_array_has_all_of_its_entries(session: Session) -> None:
    found = entries(session, Write("array", u32(1), u32(5)), Bulk("array", 2, u32(2, 3), u32(6, 7)))

    assert found == {u32(0): u32(0), u32(1): u32(5), u32(2): u32(6), u32(3): u32(7)}


def test_a_per_cpu_array_has_a_value_for_each_cpu(session: Session) -> None:
    writes = Write("percpu_array", u32(1), (u32(5), u32(6))), Bulk("percpu_array", 2, u32(2, 3), u32(7))

    found = entries(session, *writes)

    assert (found[u32(0)], found[u32(1)][:16]) == (each_cpu(u32(0)), u32(5, 0, 6, 0))
    assert (found[u32(2)], found[u32(3)]) == (each_cpu(u32(7)), each_cpu(u32(7)))


def test_prefixes_of_a_trie(session: Session) -> None:
    ten, eleven = prefix(8, 10), prefix(9, 11)

    assert entries(session, Write("lpm_trie", ten, u32(1)), Bulk("lpm_trie", 1, eleven, u32(2))) == {
        ten: u32(1),
        eleven: u32(2),
    }
    assert entries(session, Delete("lpm_trie", ten)) == {eleven: u32(2)}


def test_a_prefix_is_read_where_it_is_there_itself_and_not_a_shorter_one(session: Session) -> None:
    ten, inside, host_bits = prefix(8, 10), prefix(16, 10), u32(8) + bytes([10, 0, 0, 7])

    reply = run(session, Write("lpm_trie", ten, u32(1)), reads=(Read("lpm_trie", (inside, host_bits)),))

    assert reply.contents == (Contents("lpm_trie", ((inside, None), (host_bits, u32(1)))),)


def test_a_prefix_is_not_there_where_only_a_shorter_one_matches(session: Session) -> None:
    read = Read("lpm_trie", (prefix(8, 10), prefix(16, 10)))

    reply = run(session, Write("lpm_trie", prefix(8, 10), u32(1)), reads=(read,))

    assert reply.contents == (Contents("lpm_trie", ((prefix(8, 10), u32(1)), (prefix(16, 10), None))),)


@pytest.mark.parametrize(("name", "order"), [("queue", (1, 2, 3)), ("stack", (3, 2, 1))])
def test_values_of_a_queue_or_stack_are_read_in_their_order_and_stay(
    session: Session, name: str, order: tuple[int, ...]
) -> None:
    expected = Contents(name, tuple((b"", u32(number)) for number in order))

    first = run(session, Write(name, value=u32(1)), Bulk(name, 2, b"", u32(2, 3)), reads=(Read(name), Read(name)))
    again = run(session, before=(Read(name),))

    assert (first.contents, again.before) == ((expected, expected), (expected,))


def test_a_bloom_filter_is_asked_for_values(session: Session) -> None:
    known, unknown = u32(7), u32(8)
    read = Read("bloom_filter", (known, unknown))

    reply = run(session, Write("bloom_filter", value=known), reads=(read,))

    assert reply.contents == (Contents("bloom_filter", ((known, known), (unknown, None))),)


@pytest.mark.parametrize("name", [*HASHES, *PER_CPU_HASHES, "array", "percpu_array", "lpm_trie"])
def test_named_keys_are_read_whether_they_are_there_or_not(session: Session, name: str) -> None:
    keys = (prefix(8, 1), prefix(8, 9)) if name == "lpm_trie" else (u32(1), u32(9))
    value = each_cpu(u32(5)) if "percpu" in name else u32(5)

    reply = run(session, Write(name, keys[0], u32(5)), reads=(Read(name, keys),))

    assert reply.contents == (Contents(name, ((keys[0], value), (keys[1], None))),)


def test_global_variables_are_set_and_read(session: Session) -> None:
    patches = (
        Patch(".data.numbers", 4, u32(20)),
        Patch(".bss", 0, u32(7)),
        Patch(".data.numbers", 8, u32(30)),
    )

    reply = run(session, patches=patches, reads=(Read(".data.numbers", (bytes(4),)), Read(".bss")))

    assert reply.contents == (
        Contents(".data.numbers", ((bytes(4), u32(1, 20, 30, 4)),)),
        Contents(".bss", ((bytes(4), u32(7)),)),
    )


# --- many entries -------------------------------------------------------------------------------------------------

MANY = 10_000
# Where the kernel has no batch operations: libbpf gives what bpf(2) says of a command that it does not know.
REFUSED = ("bpf_map_update_batch", "bpf_map_lookup_batch", "bpf_map_lookup_and_delete_batch", "bpf_map_delete_batch")


def refuse(*_: object) -> int:
    libbpf.ctypes.set_errno(errno.EINVAL)
    return -errno.EINVAL


@pytest.mark.parametrize("batches", [True, False])
@pytest.mark.parametrize("name", ["hash", "not_preallocated", "percpu_hash", "array", "percpu_array", "lpm_trie"])
def test_many_entries_are_put_in_and_read(name: str, batches: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not batches:
        for function in REFUSED:
            monkeypatch.setattr(libbpf.library(), function, refuse)
    keys = [
        prefix(32, 1)[:5] + number.to_bytes(3, "big") if name == "lpm_trie" else u32(number) for number in range(MANY)
    ]
    values = [u32(number + 1) for number in range(MANY)]
    one = Session(loading(Size(name, MANY)))
    one.begin()

    found = entries(one, Bulk(name, MANY, b"".join(keys), b"".join(values)))
    one.close()

    kept = {key: each_cpu(value) if "percpu" in name else value for key, value in zip(keys, values, strict=True)}
    assert found == kept


def test_where_there_is_no_room_for_all_the_first_that_is_refused_is_told(session: Session) -> None:
    with pytest.raises(ProgramError) as raised:
        run(session, Bulk("hash", 6, u32(*range(6)), u32(1)))

    assert (raised.value.what, raised.value.hint) == (
        "map 'hash' takes no entry at key 04 00 00 00: it is full (E2BIG)",
        "give it more max_entries, or fewer entries",
    )


# --- what names something -----------------------------------------------------------------------------------------

WEB, DNS = Handle("socket", "web"), Handle("socket", "dns")
ANOTHER, LEAVING, ON_CPU = (Handle("program", name) for name in ("another", "leaving", "on_cpu"))


def ids(reply: Reply) -> list[int]:
    return [number for _, number in reply.ids]


def test_the_programs_of_a_prog_array_are_told_by_their_ids(session: Session) -> None:
    reply = run(session, Write("prog_array", u32(2), handle=ANOTHER), reads=(Read("prog_array"),), handles=(ANOTHER,))

    assert reply.contents == (Contents("prog_array", ((u32(2), u32(*ids(reply))),)),)
    assert entries(session, Delete("prog_array", u32(2)), Delete("prog_array", u32(1))) == {}


@pytest.mark.parametrize("name", ["devmap", "devmap_hash"])
def test_the_interfaces_of_a_devmap_are_read_with_the_ids_of_their_programs(session: Session, name: str) -> None:
    device = Handle("program", "leaving", offset=4)
    writes = Write(name, u32(1), u32(LOOPBACK, 0), device), Write(name, u32(2), u32(LOOPBACK, 0))

    reply = run(session, *writes, reads=(Read(name),), handles=(LEAVING,))

    assert set(reply.contents[0].entries) == {(u32(1), u32(LOOPBACK, *ids(reply))), (u32(2), u32(LOOPBACK, 0))}
    assert entries(session, Delete(name, u32(2)), Delete(name, u32(2))) == {u32(1): u32(LOOPBACK, *ids(reply))}


def test_a_devmap_may_hold_nothing_but_interfaces(session: Session) -> None:
    assert entries(session, Write("plain_devmap", u32(3), u32(LOOPBACK))) == {u32(3): u32(LOOPBACK)}


def test_a_cpumap_has_sizes_of_queues_and_programs(session: Session) -> None:
    program = Handle("program", "on_cpu", offset=4)

    reply = run(session, Write("cpumap", u32(0), u32(64, 0), program), reads=(Read("cpumap"),), handles=(ON_CPU,))

    assert reply.contents == (Contents("cpumap", ((u32(0), u32(64, *ids(reply))),)),)
    assert entries(session, Delete("cpumap", u32(0))) == {}


@pytest.mark.parametrize("name", ["sockmap", "sockhash"])
def test_the_sockets_of_a_map_are_told_by_their_cookies(session: Session, name: str) -> None:
    writes = Write(name, u32(1), handle=WEB._replace(size=8)), Write(name, u32(2), handle=DNS)

    reply = run(session, *writes, reads=(Read(name),), handles=(WEB, DNS))

    assert dict(reply.cookies) == dict(zip(("web", "dns"), ids(reply), strict=True))
    cookies = [cookie.to_bytes(8, "little") for cookie in ids(reply)]
    assert dict(reply.contents[0].entries) == dict(zip((u32(1), u32(2)), cookies, strict=True))
    assert entries(session, Delete(name, u32(1)), Delete(name, u32(3))) == {u32(2): cookies[1]}


def test_the_storage_of_sockets_is_written_and_read_for_each_of_them(session: Session) -> None:
    read = Read("sk_storage", (bytes(4), bytes(4)), (WEB, DNS))

    there = run(session, Write("sk_storage", bytes(4), u32(7), key_handle=WEB), reads=(read,))
    gone = run(session, Delete("sk_storage", bytes(4), WEB), Delete("sk_storage", bytes(4), DNS), reads=(read,))

    assert there.contents == (Contents("sk_storage", ((bytes(4), u32(7)), (bytes(4), None))),)
    assert gone.contents == (Contents("sk_storage", ((bytes(4), None), (bytes(4), None))),)


# --- maps of maps -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["array_of_maps", "hash_of_maps"])
def test_maps_in_a_map_are_maps_of_the_object_or_made_for_the_case(session: Session, name: str) -> None:
    inner = Handle("map", "inner")
    new = (Write("", u32(5), u32(6)), Bulk("", 2, u32(7, 8), u32(9)))
    writes = (
        *(Write("inner", u32(1), u32(11)), Write(name, u32(1), handle=inner)),
        *(Write(name, u32(2), inner=new), Write(name, u32(3), inner=())),
    )

    reply = run(session, *writes, reads=(Read(name, (u32(0), u32(1), u32(2), u32(3)), inner=True),), handles=(inner,))

    (contents,) = reply.contents
    assert (contents.entries[0], contents.entries[1]) == ((u32(0), None), (u32(1), u32(*ids(reply))))
    assert [dict(held) for held in contents.inner] == [
        {},
        {u32(1): u32(11)},
        {u32(5): u32(6), u32(7): u32(9), u32(8): u32(9)},
        {},
    ]


@pytest.mark.parametrize("name", ["array_of_maps", "hash_of_maps"])
def test_every_map_in_a_map_is_read_and_empty_places_are_left_out(session: Session, name: str) -> None:
    writes = (Write(name, u32(key), inner=(Write("", u32(key), u32(key)),)) for key in (1, 3))

    (contents,) = run(session, *writes, reads=(Read(name, inner=True),)).contents

    found = zip(contents.entries, contents.inner, strict=True)
    assert {key: held for (key, _), held in found} == {u32(key): ((u32(key), u32(key)),) for key in (1, 3)}


def test_a_closed_session_leaves_no_map_behind() -> None:
    before = descriptors()
    one = Session(loading())
    one.begin()
    run(
        one, *(Write("hash_of_maps", u32(key), inner=()) for key in range(4)), reads=(Read("hash_of_maps", inner=True),)
    )

    one.close()

    assert descriptors() == before


# --- sizes --------------------------------------------------------------------------------------------------------


def test_maps_are_made_with_the_sizes_that_a_case_wants() -> None:
    sizes = Size("array", 6), Size("array_of_maps", 5, 2), Size("ringbuf", 8192)
    one = Session(loading(*sizes))
    one.begin()

    assert one.report.errno == 0
    assert len(entries(one, Write("array", u32(5), u32(1)))) == 6
    with pytest.raises(ProgramError, match=r"^map 'array_of_maps\[\]' takes no entry at key 03 00 00 00: it is full"):
        run(one, Write("array_of_maps", u32(4), inner=(Bulk("", 3, u32(1, 2, 3), u32(0)),)))
    one.close()


@pytest.mark.parametrize(
    ("size", "says"),
    [
        (
            Size("ringbuf", 5000),
            "map 'ringbuf' cannot have 5000 bytes: a ring buffer has a power of two of them, 4096 at least",
        ),
        (
            Size("ringbuf", 2048),
            "map 'ringbuf' cannot have 2048 bytes: a ring buffer has a power of two of them, 4096 at least",
        ),
        (Size("hash", inner_max_entries=2), "map 'hash' does not declare maps as its values"),
        (Size("missing", 2), "libbpf finds no map 'missing' in the object"),
    ],
)
def test_sizes_that_cannot_be_are_told(size: Size, says: str) -> None:
    before = descriptors()

    with pytest.raises(ObjectError) as raised:
        Session(loading(size))

    assert (raised.value.what, descriptors()) == (says, before)


def test_a_size_that_the_kernel_refuses_is_in_the_report() -> None:
    report = Session(loading(Size("hash", 0))).report

    assert report.errno == errno.EINVAL
    assert "map 'hash': failed to create: Invalid argument(-22)" in report.libbpf


# --- what is refused ----------------------------------------------------------------------------------------------


def refused(name: str) -> str:
    return f"map '{name}' takes no entry"


REFUSALS: dict[str, tuple[Write | Bulk | Delete | Read, str, str]] = {
    "a value of another size": (Write("hash", u32(1), b"1"), "map 'hash' takes 4 bytes as value, and 1 are given", ""),
    "a key of another size": (Delete("hash", b""), "map 'hash' takes 4 bytes as key, and 0 are given", ""),
    "keys of other sizes": (
        Bulk("hash", 2, u32(1), u32(1)),
        "map 'hash' takes 8 bytes as keys of 2 entries, and 4 are given",
        "",
    ),
    "more CPUs than there are": (
        Write("percpu_hash", u32(1), (u32(1),) * 4096),
        f"map 'percpu_hash' gets values for 4096 CPUs, and this machine has {cpus()}",
        "",
    ),
    "a key beyond an array": (
        Write("array", u32(4), u32(1)),
        f"{refused('array')} at key 4: its last key is 3 (E2BIG)",
        "give it more max_entries, or write a smaller key",
    ),
    "deleting from an array": (
        Delete("array", u32(1)),
        "map 'array' gives no entry away at key 1: an array always has all of its entries (EINVAL)",
        "write zeros instead",
    ),
    "deleting from a per-CPU array": (
        Delete("percpu_array", u32(1)),
        "map 'percpu_array' gives no entry away at key 1: an array always has all of its entries (EINVAL)",
        "write zeros instead",
    ),
    "deleting from a queue": (
        Delete("queue", b""),
        "map 'queue' gives no entry away: values leave it in their order, when a program takes them out (EINVAL)",
        "",
    ),
    "deleting from a bloom filter": (
        Delete("bloom_filter", b""),
        "map 'bloom_filter' gives no entry away: nothing can be taken out of it (EOPNOTSUPP)",
        "it is empty at the beginning of each case",
    ),
    "a full queue": (
        Bulk("queue", 5, b"", u32(1)),
        f"{refused('queue')}: it is full (E2BIG)",
        "give it more max_entries, or fewer entries",
    ),
    "a full trie": (
        Bulk("lpm_trie", 5, b"".join(prefix(8, first) for first in range(5)), u32(1)),
        f"{refused('lpm_trie')} at key 08 00 00 00 04 00 00 00: it is full (ENOSPC)",
        "give it more max_entries, or fewer entries",
    ),
    "a prefix that is too long": (
        Write("lpm_trie", prefix(33, 1), u32(1)),
        f"{refused('lpm_trie')} at key 21 00 00 00 01 00 00 00: the prefix is longer than the key's data (EINVAL)",
        "its first 4 bytes are its length in bits",
    ),
    "a program that cannot be called": (
        Write("prog_array", u32(1), handle=LEAVING),
        f"{refused('prog_array')} at key 1: the program cannot be called from there (EINVAL)",
        "it must be of the type and attach type of those that call it",
    ),
    "an interface that is not there": (
        Write("devmap", u32(1), u32(4096, 0)),
        f"{refused('devmap')} at key 1: there is no interface with ifindex 4096 (EINVAL)",
        "interfaces here: 1 (lo)",
    ),
    "a program that is not for devmaps": (
        Write("devmap_hash", u32(1), u32(LOOPBACK, 0), Handle("program", "another", 4)),
        f"{refused('devmap_hash')} at key 01 00 00 00: the program for 'lo' is not one for devmaps (EINVAL)",
        "such a program has the attach type xdp_devmap",
    ),
    "a CPU that is not there": (
        Write("cpumap", u32(3), u32(64, 0)),
        f"{refused('cpumap')} at key 3: this machine has no such CPU (ENODEV)",
        "the first is 0",
    ),
    "a long queue of a cpumap": (
        Write("cpumap", u32(0), u32(16385, 0)),
        f"{refused('cpumap')} at key 0: its queue is too long (EOVERFLOW)",
        "`qsize` is at most 16384",
    ),
    "no queue of a cpumap": (
        Write("cpumap", u32(0), u32(0, 0)),
        "map 'cpumap' gets a `qsize` of 0",
        "it is how many frames wait at most: 1 to 16384",
    ),
    "a program that is not for cpumaps": (
        Write("cpumap", u32(0), u32(64, 0), Handle("program", "leaving", 4)),
        f"{refused('cpumap')} at key 0: the program is not one for cpumaps (ENOMEM)",
        "such a program has the attach type xdp_cpumap",
    ),
    "a program that is not loaded": (
        Write("prog_array", u32(0), handle=Handle("program", "missing")),
        "program 'missing' is not loaded",
        "",
    ),
    "a map that is not there": (
        Write("array_of_maps", u32(0), handle=Handle("map", "missing")),
        "libbpf finds no map 'missing' in the object",
        "",
    ),
    "a map of another kind": (
        Write("array_of_maps", u32(0), handle=Handle("map", "array")),
        f"{refused('array_of_maps')} at key 0: the map put in is not like those that it was declared for (EINVAL)",
        "type, sizes of key and value and flags must be the same, and for arrays max_entries too",
    ),
    "a new map where there are none": (
        Write("hash", u32(0), inner=()),
        "map 'hash' does not declare what its values are like",
        "declare them by __array(values, ..)",
    ),
    "a map that only programs write": (
        Write("closed", u32(0), u32(1)),
        f"{refused('closed')} at key 0: its flags have BPF_F_RDONLY, so that only programs may write to it (EPERM)",
        "",
    ),
    "a map that only programs read": (
        Read("hidden"),
        "map 'hidden' cannot be read: its flags have BPF_F_WRONLY, so that only programs may read it (EPERM)",
        "",
    ),
    "sockets without cookies": (
        Read("narrow_sockmap", (u32(0),)),
        "map 'narrow_sockmap' cannot be read: user space reads cookies, which take 8 bytes (ENOSPC)",
        "declare its value as __u64",
    ),
    "all of a bloom filter": (
        Read("bloom_filter"),
        "map 'bloom_filter' does not tell what is in it",
        "ask for single values: is one in it or not",
    ),
    "all storage of sockets": (
        Read("sk_storage"),
        "map 'sk_storage' cannot be read: user space cannot list which sockets have something in it (ENOTSUPP)",
        "name the sockets",
    ),
    "entries of a ring buffer": (
        Read("ringbuf"),
        "map 'ringbuf' cannot be read: it holds no entries, but records on their way to user space (ENOTSUPP)",
        "expect its `records`",
    ),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_the_kernel_refuses_is_explained(session: Session, what: str) -> None:
    asked, says, hint = REFUSALS[what]

    run(session, Write("narrow_sockmap", u32(0), handle=WEB))
    setup = {"reads": (asked,)} if isinstance(asked, Read) else {"writes": (asked,)}

    with pytest.raises(ProgramError) as raised:
        session.run(Request(bytes(64), setup=Setup(**setup)))

    assert (raised.value.what, raised.value.hint) == (says, hint)
