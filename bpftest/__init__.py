"""bpftest runs declarative YAML test suites for eBPF programs on the real kernel, through BPF_PROG_RUN."""

__version__ = "0.1.0"
