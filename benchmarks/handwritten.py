"""A test of a BPF program as people write it in Python: pytest, ctypes, a table of packets. Not a part of bpftest.

The benchmark copies it beside pass.bpf.o and packets.txt, a line of hex a packet.
"""

import ctypes  # noqa: TID251 - as people write it

import pytest

libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
libbpf.bpf_object__open_file.restype = ctypes.c_void_p
libbpf.bpf_object__find_program_by_name.restype = ctypes.c_void_p
XDP_PASS = 2


class TestRunOpts(ctypes.Structure):
    __test__ = False
    _fields_ = [
        ("sz", ctypes.c_size_t),
        ("data_in", ctypes.c_void_p),
        ("data_out", ctypes.c_void_p),
        ("data_size_in", ctypes.c_uint32),
        ("data_size_out", ctypes.c_uint32),
        ("ctx_in", ctypes.c_void_p),
        ("ctx_out", ctypes.c_void_p),
        ("ctx_size_in", ctypes.c_uint32),
        ("ctx_size_out", ctypes.c_uint32),
        ("retval", ctypes.c_uint32),
        ("repeat", ctypes.c_int),
        ("duration", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("cpu", ctypes.c_uint32),
        ("batch_size", ctypes.c_uint32),
    ]


@pytest.fixture(scope="module")
def program_fd():
    object_ = ctypes.c_void_p(libbpf.bpf_object__open_file(b"pass.bpf.o", None))
    assert libbpf.bpf_object__load(object_) == 0
    return libbpf.bpf_program__fd(ctypes.c_void_p(libbpf.bpf_object__find_program_by_name(object_, b"pass")))


def run(program_fd, packet):
    data_in = ctypes.create_string_buffer(packet, len(packet))
    data_out = ctypes.create_string_buffer(4096)
    opts = TestRunOpts(sz=ctypes.sizeof(TestRunOpts), repeat=1)
    opts.data_in, opts.data_size_in = ctypes.addressof(data_in), len(packet)
    opts.data_out, opts.data_size_out = ctypes.addressof(data_out), len(data_out)
    assert libbpf.bpf_prog_test_run_opts(program_fd, ctypes.byref(opts)) == 0
    return opts.retval


with open("packets.txt") as file:
    PACKETS = file.read().split()


@pytest.mark.parametrize("packet", PACKETS)
def test_retval(program_fd, packet):
    assert run(program_fd, bytes.fromhex(packet)) == XDP_PASS
