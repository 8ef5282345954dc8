"""A suite of cases for bpftool, for tests/programs/reproduced.bpf.c."""

SUITE = """\
version: 1
object: reproduced.o
program: sum
cases:
  - name: a packet
    packet: {zeros: 64}
    expect: {retval: 25}
  - name: metadata, a context and a number of runs
    packet: {hex: "0102030405060708090a0b0c0d0e0f10", metadata: aabbccdd}
    repeat: 3
    expect: {retval: 29}
  - name: globals and constants
    globals: {factor: 3, base: 100, offset: 1}
    packet: {zeros: 64}
    expect: {retval: 307, globals: {base: 100}}
  - name: maps
    maps:
      table: [{key: 1, value: 1000}]
      on_each: [{key: 0, value: 2}]
      jobs: [3]
      many: [{key: 7, value: 50}]
    packet: {zeros: 64}
    expect: {retval: 1080, maps: {table: [{key: 1, value: 1000}]}}
  - name: many entries
    maps: {many: {fill: {keys: 0..29, value: 4}}}
    packet: {zeros: 64}
    expect: {retval: 29}
  - name: a value for each CPU
    maps: {on_each: [{key: 0, value: {percpu: [1, 2]}}]}
    packet: {zeros: 64}
    expect: {retval: 26}
  - name: a tail call
    program: hop
    maps: {following: [{key: 1, value: {program: sum}}]}
    packet: {zeros: 64}
    expect: {retval: 25}
  - name: a context
    program: marked
    ctx: {mark: 100}
    packet: {zeros: 64}
    expect: {retval: 125, ctx: {mark: 100}}
  - name: a flag
    program: marked
    flags: [checksum_complete]
    packet: Ether()/IP()
    expect: {retval: 25}
  - name: steps
    steps:
      - {name: first, packet: {fill: 7, length: 40000}, expect: {retval: 25}}
      - {packet: {from: first}, globals: {base: 1}, expect: {retval: 9}}
      - {name: third, program: hop, packet: {hex: "ff00ff00ff00ff00ff00ff00ff00ff00"}, expect: {retval: 7}}
  - name: without a context
    program: tick
    expect: {retval: 25}
  - name: a system call
    program: called
    expect: {retval: 26}
  - name: on a CPU
    program: cpu
    cpu: 0
    packet: {zeros: 64}
    expect: {retval: 0}
  - name: arguments
    program: told
    ctx: {args: [7]}
    expect: {retval: 7}
  - name: on another CPU
    program: tick
    cpu: 0
    expect: {retval: 25}
  - name: another type
    type: sched_cls
    program: told
    expect: {load_error: true}
  - name: is loaded
    load: {flags: [test_rnd_hi32], maps: {many: {max_entries: 100}}}
    expect: {loads: true}
  - name: live frames
    interfaces: [left]
    live: {ingress: left}
    packet: Ether()/IP()/UDP()
    expect: {frames: {left: {count: 0}}}
  - name: a socket
    sockets: {web: {type: tcp, address: 127.0.0.1, port: 80}}
    packet: {zeros: 64}
    expect: {retval: 25}
  - name: "is skipped; $$(false)"
    skip: not today
    packet: {zeros: 64}
    expect: {retval: XDP_DROP, printk: {contains: x}}
"""
