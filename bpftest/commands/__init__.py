"""One file a command, with `arguments(parser)` and `run(options) -> exit code`; imported when it is called."""

COMMANDS = {  # in the order of `bpftest --help`
    "run": "run the cases of suites on the running kernel",
    "init": "write a first suite for an object or its source, with a case for each program",
    "validate": "check suites without running anything; needs no privileges",
    "list": "list the cases of suites",
    "blast": "send the live frames of one case for some seconds, and tell how many a second go through",
    "packet": "show a packet, or write it in another form: Scapy, hex, pcap, YAML",
    "report": "make other reports, and one of several, from those that runs have left",
    "doctor": "say whether this machine can run BPF tests, and what to do about what is missing",
    "schema": "print the JSON Schema of suites, or of JSON reports",
    "completion": "print what completes bpftest's commands in bash, zsh or fish",
}
