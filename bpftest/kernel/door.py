"""What passes the kernel's door: bytes and numbers only, frozen, so that a fake kernel is a few lines."""

from __future__ import annotations

from typing import NamedTuple


class Patch(NamedTuple):
    """Bytes of a section of global variables."""

    section: str  # ".bss", ".data.config"
    offset: int  # bytes from the start of the section
    content: bytes


class Also(NamedTuple):
    """Another program of the object that is loaded too: for a step, a prog array, a devmap."""

    program: str  # the C function
    prog_type: int | None = None  # BPF_PROG_TYPE_*; None: what the section says
    attach_type: int | None = None  # None: what the section says
    flags: int = 0
    attached: bool = False


class Size(NamedTuple):
    """What a map is made with instead of what the object declares."""

    map: str
    max_entries: int | None = None  # bytes for a ring buffer; None: as declared
    inner_max_entries: int | None = None  # of the maps that are its values


class Loading(NamedTuple):
    """One program of an object and how it is loaded."""

    path: str  # of the ELF object
    program: str  # the C function
    prog_type: int  # BPF_PROG_TYPE_*
    attach_type: int | None = None  # BPF_* of enum bpf_attach_type; None: what the section says
    flags: int = 0  # BPF_F_* of BPF_PROG_LOAD
    log_level: int = 0  # of the verifier, as BPF_PROG_LOAD has it; statistics are always asked for
    also: tuple[Also, ...] = ()
    attached: bool = False  # it is attached to what its section names
    constants: tuple[Patch, ...] = ()  # .rodata, which is frozen when it is loaded
    sizes: tuple[Size, ...] = ()
    prints: bool = False  # a program of the object calls bpf_trace_printk or bpf_trace_vprintk
    streams: bool = False  # a program of the object calls bpf_stream_vprintk
    counted: tuple[str, ...] = ()  # programs that are loaded with a counter at their entry, for Setup.counted
    plain: bool = False  # its maps and globals hold nothing but bytes: they can be reset instead of loaded again


class LoadReport(NamedTuple):
    """What the kernel said when the program was loaded; a refusal is an answer too."""

    errno: int = 0  # 0: accepted
    log: str = ""  # the verifier's; statistics alone unless a log level was asked for or it refused
    libbpf: str = ""  # warnings of libbpf
    verified_insns: int = 0  # instructions the verifier walked
    jited_bytes: int = 0  # machine code
    xlated_bytes: int = 0  # BPF instructions, 8 bytes each
    program: str = ""  # that this is about: of several, the one that was refused


class Socket(NamedTuple):
    """A socket that is there while a case runs, in the network namespace of the process."""

    name: str
    kind: str  # "tcp": it listens; "udp": it is bound; "xdp": AF_XDP, bound to a queue of an interface
    address: str = ""  # IPv4 or IPv6
    port: int = 0
    interface: str = ""  # xdp
    queue: int = 0  # xdp


class Interface(NamedTuple):
    """An interface in the network namespace of a case. What leaves through it can be caught."""

    name: str
    ifindex: int  # 2 and up; 1 is that of `lo`
    kind: str = "tap"  # "tap", or "veth": a pair, whose other end is outside of the namespace, and caught there
    mac: str = ""  # "": 02:00:00:00:00:<ifindex>
    mtu: int = 1500  # bytes
    addresses: tuple[tuple[str, int], ...] = ()  # (IPv4 or IPv6 address, bits of its prefix)
    up: bool = True


class Route(NamedTuple):
    """A route in the network namespace of a case."""

    to: str  # "10.0.0.0/8", "2001:db8::/32", or "default" with a `via`
    via: str = ""  # IPv4 or IPv6 address of the next router; "": what is in *to* is at the interface itself
    interface: str = ""  # "": the one that leads to *via*


class Neighbour(NamedTuple):
    """An address that needs no ARP and no neighbour discovery."""

    ip: str
    mac: str
    interface: str


class Network(NamedTuple):
    """The network namespace of a case; one with nothing in it is that of bpftest itself."""

    interfaces: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()


class Handle(NamedTuple):
    """What a key or value names: the kernel is given its descriptor, and gives back its id."""

    kind: str  # "socket", "program" or "map"; the id of a socket is its cookie
    name: str
    offset: int = 0  # bytes from the start of the key or value
    size: int = 4  # bytes that it takes there


class Write(NamedTuple):
    """An entry that is put into a map."""

    map: str  # its name in the object
    key: bytes = b""  # a queue, a stack and a bloom filter have none
    value: bytes | tuple[bytes, ...] = b""  # of a per-CPU map: one for all CPUs, or one for each of the first
    handle: Handle | None = None  # what of the value is a descriptor
    key_handle: Handle | None = None  # what of the key is a descriptor: sk_storage
    inner: tuple[Write | Bulk, ...] | None = None  # the value is a new map that holds these (their `map` is "")


class Bulk(NamedTuple):
    """Many entries that are put into a map."""

    map: str
    entries: int  # how many
    keys: bytes  # one after the other
    values: bytes  # one after the other, of one CPU each; or a single one, for all keys


class Delete(NamedTuple):
    """An entry that is taken out of a map; it need not be there."""

    map: str
    key: bytes
    key_handle: Handle | None = None


class Read(NamedTuple):
    """What of a map is wanted."""

    map: str  # its name in the object; ".bss" and so on for global variables
    keys: tuple[bytes, ...] | None = None  # None: every entry; of a bloom filter the values that are looked for
    key_handles: tuple[Handle, ...] = ()  # what of the keys is a descriptor, one for each
    inner: bool = False  # its values are maps, and their entries are wanted
    rest: int = 0  # where one of the keys has no entry: so many others at most, behind those of the keys


class Contents(NamedTuple):
    """What a map held."""

    map: str
    # (key, value of all CPUs one after the other), None: no such entry. Those of a queue or a stack have no key, and
    # are in the order in which a program would take them out; of a bloom filter the key stands for the value too.
    entries: tuple[tuple[bytes, bytes | None], ...]
    inner: tuple[tuple[tuple[bytes, bytes | None], ...], ...] = ()  # of Read.inner: for each entry, those of its map


class Setup(NamedTuple):
    """What is done before the run, and what is looked at before and after it."""

    patches: tuple[Patch, ...] = ()  # of sections that programs write to
    writes: tuple[Write | Bulk | Delete, ...] = ()  # in this order
    before: tuple[Read, ...] = ()  # after the writes
    reads: tuple[Read, ...] = ()  # after the run
    records: tuple[str, ...] = ()  # ring buffers and perf event arrays whose records are wanted
    handles: tuple[Handle, ...] = ()  # whose ids are wanted
    counted: bool = False  # how often the programs of Loading.counted run is wanted
    printk: bool = False  # what programs print is expected: it is an error where it cannot be captured
    streams: bool = False  # what the program writes to its streams is expected
    frames: tuple[str, ...] = ()  # interfaces whose frames are wanted; "stack": what the ingress passed to the stack
    received: tuple[str, ...] = ()  # sockets whose payloads are wanted; of an xdp one these are frames


class Live(NamedTuple):
    """How frames really go through the program."""

    ingress: str  # the interface of the case that they come in through; "": a socket of the namespace sends them
    batch_size: int = 64  # frames that the kernel runs before it sends them on
    pristine: bool = False  # BPF_F_TEST_XDP_LIVE_FRAMES: no frame is in a page that the program has seen before
    hook: str = ""  # "": BPF_F_TEST_XDP_LIVE_FRAMES; else where a program of another type is attached: HOOKS of attach
    interface: str = ""  # that it is attached to; "": the ingress
    route: str = ""  # Route.to of the one that it is attached to


class Benchmark(NamedTuple):
    """A measurement of how long the program takes, made after the run that is judged."""

    repeat: int = 20_000  # runs in each sample: 2 to 10 ms for most programs
    samples: int = 9
    warmup: int = 1  # samples that are thrown away first


class Request(NamedTuple):
    """One BPF_PROG_RUN, in the terms of struct bpf_test_run_opts."""

    data_in: bytes | None = None
    ctx_in: bytes | None = None
    ctx_size_out: int = 0  # 0: the context is not asked for
    ctx_spare: bool = False  # xdp: the suite says nothing of the context, so a kernel without xdp_ctx can do without
    repeat: int = 1
    flags: int = 0
    cpu: int | None = None  # the CPU to run on; None: whichever
    timeout_s: float = 10.0
    run_on_cpu: int = 0  # raw_tracepoint with BPF_F_TEST_RUN_ON_CPU: the CPU that is interrupted
    writes_ctx: bool = False  # syscall: what the program leaves in ctx_in is the reply's ctx_out
    state: bytes | None = None  # struct_ops: what the first argument points at; the reply's ctx_out is what is left
    setup: Setup = Setup()
    program: str = ""  # the one that runs; "": the one that Loading names
    benchmark: Benchmark | None = None
    live: Live | None = None


class Caught(NamedTuple):
    """What left through an interface, or what the network stack got."""

    interface: str  # or "stack"
    frames: tuple[tuple[bytes, int], ...]  # (frame, how many of it one after the other), in order


class Records(NamedTuple):
    """What came out of a ring buffer or a perf event array."""

    map: str
    records: tuple[bytes, ...]  # in the order in which they were sent, as far as the buffer tells
    lost: int = 0  # as the kernel counts them: of perf event arrays
    full: bool = False  # a ring buffer that has no room for one more like the largest of them


class Reply(NamedTuple):
    """What the kernel gave back for a Request. Nothing but errno means anything when errno is not 0."""

    errno: int = 0
    retval: int = 0  # as the program returned it: signed, 32 bits
    duration_ns: int = 0  # mean of a run over Request.repeat runs; of a frame where they are live
    data_out: bytes = b""
    ctx_out: bytes = b""
    cookies: tuple[tuple[str, int], ...] = ()  # (name, SO_COOKIE) of each socket of the case
    contents: tuple[Contents, ...] = ()  # what Setup.reads wanted
    before: tuple[Contents, ...] = ()  # what Setup.before wanted
    records: tuple[Records, ...] = ()
    ids: tuple[tuple[Handle, int], ...] = ()  # of Setup.handles
    runs: tuple[tuple[str, int], ...] = ()  # (program, how often it ran), where Setup.counted
    printk: tuple[str, ...] = ()  # lines that programs printed, where Loading.prints
    streams: tuple[str, str] = ("", "")  # what the program wrote to its stdout and stderr, where the kernel has them
    durations_ns: tuple[int, ...] = ()  # means of a run, one for each sample of Request.benchmark
    frames: tuple[Caught, ...] = ()  # of Setup.frames
    received: tuple[tuple[str, tuple[bytes, ...]], ...] = ()  # (socket, its payloads in order) of Setup.received
    causes: tuple[str, ...] = ()  # of a live run that wants frames or payloads: why some may be missing, in words
    timed_out: bool = False  # interrupted after timeout_s; errno is EINTR


class Observation(NamedTuple):
    """All that the checks of a step may look at."""

    load: LoadReport  # of the program that runs in the step
    reply: Reply | None = None  # None: nothing was run
    packet: bytes = b""  # what went in, as the suite gives it: with the Ethernet header only if it has one
