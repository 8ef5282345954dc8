# What bpftool does of these cases, as root: it loads, sets maps and globals, runs, and takes away what it has pinned
# in /sys/fs/bpf. What bpftest does beside that is said where it matters. bpftest runs cases in a network namespace with
# nothing but lo in it: where a program can tell, say `unshare --net bpftool prog run`.

# 'cases.yaml::a packet'
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: sum
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-a-packet
# expected: retval 25
bpftool prog run pinned /sys/fs/bpf/bpftest-a-packet/sum \
    data_in .bpftest/reproduce/cases/a-packet/data_in.bin \
    data_out .bpftest/reproduce/cases/a-packet/data_out.bin \
    ctx_in .bpftest/reproduce/cases/a-packet/ctx_in.bin \
    ctx_out .bpftest/reproduce/cases/a-packet/ctx_out.bin
rm -r /sys/fs/bpf/bpftest-a-packet

# 'cases.yaml::metadata, a context and a number of runs'
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: sum
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-metadata-a-context-and-a-number-of-runs-9d5ebe48
# expected: retval 29
bpftool prog run pinned /sys/fs/bpf/bpftest-metadata-a-context-and-a-number-of-runs-9d5ebe48/sum \
    data_in .bpftest/reproduce/cases/metadata-a-context-and-a-number-of-runs-9d5ebe48/data_in.bin \
    data_out .bpftest/reproduce/cases/metadata-a-context-and-a-number-of-runs-9d5ebe48/data_out.bin \
    ctx_in .bpftest/reproduce/cases/metadata-a-context-and-a-number-of-runs-9d5ebe48/ctx_in.bin \
    ctx_out .bpftest/reproduce/cases/metadata-a-context-and-a-number-of-runs-9d5ebe48/ctx_out.bin \
    repeat 3
rm -r /sys/fs/bpf/bpftest-metadata-a-context-and-a-number-of-runs-9d5ebe48

# 'cases.yaml::globals and constants'
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: sum
# the object here has the constants of the case in it: bpftool cannot set them
bpftool prog loadall .bpftest/reproduce/cases/globals-and-constants/reproduced.o /sys/fs/bpf/bpftest-globals-and-constants \
    pinmaps /sys/fs/bpf/bpftest-globals-and-constants-maps
bpftool map update pinned /sys/fs/bpf/bpftest-globals-and-constants-maps/reproduc_data key hex 00 00 00 00 value hex 64 00 00 00 05 00 00 00
bpftool map update pinned /sys/fs/bpf/bpftest-globals-and-constants-maps/reproduc_bss key hex 00 00 00 00 value hex 01 00 00 00
# expected: retval 307
bpftool prog run pinned /sys/fs/bpf/bpftest-globals-and-constants/sum \
    data_in .bpftest/reproduce/cases/globals-and-constants/data_in.bin \
    data_out .bpftest/reproduce/cases/globals-and-constants/data_out.bin \
    ctx_in .bpftest/reproduce/cases/globals-and-constants/ctx_in.bin \
    ctx_out .bpftest/reproduce/cases/globals-and-constants/ctx_out.bin
bpftool map dump pinned /sys/fs/bpf/bpftest-globals-and-constants-maps/reproduc_data
rm -r /sys/fs/bpf/bpftest-globals-and-constants /sys/fs/bpf/bpftest-globals-and-constants-maps

# cases.yaml::maps
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: sum
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-maps \
    pinmaps /sys/fs/bpf/bpftest-maps-maps
bpftool map update pinned /sys/fs/bpf/bpftest-maps-maps/table key hex 01 00 00 00 value hex e8 03 00 00 00 00 00 00
bpftool map update pinned /sys/fs/bpf/bpftest-maps-maps/on_each key hex 00 00 00 00 value hex 02 00 00 00
bpftool map update pinned /sys/fs/bpf/bpftest-maps-maps/jobs value hex 03 00 00 00
bpftool map update pinned /sys/fs/bpf/bpftest-maps-maps/many key hex 07 00 00 00 value hex 32 00 00 00
# expected: retval 1080
bpftool prog run pinned /sys/fs/bpf/bpftest-maps/sum \
    data_in .bpftest/reproduce/cases/maps/data_in.bin \
    data_out .bpftest/reproduce/cases/maps/data_out.bin \
    ctx_in .bpftest/reproduce/cases/maps/ctx_in.bin \
    ctx_out .bpftest/reproduce/cases/maps/ctx_out.bin
bpftool map dump pinned /sys/fs/bpf/bpftest-maps-maps/table
rm -r /sys/fs/bpf/bpftest-maps /sys/fs/bpf/bpftest-maps-maps

# 'cases.yaml::many entries'
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: sum
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-many-entries \
    pinmaps /sys/fs/bpf/bpftest-many-entries-maps
bpftool batch file .bpftest/reproduce/cases/many-entries/maps.batch
# expected: retval 29
bpftool prog run pinned /sys/fs/bpf/bpftest-many-entries/sum \
    data_in .bpftest/reproduce/cases/many-entries/data_in.bin \
    data_out .bpftest/reproduce/cases/many-entries/data_out.bin \
    ctx_in .bpftest/reproduce/cases/many-entries/ctx_in.bin \
    ctx_out .bpftest/reproduce/cases/many-entries/ctx_out.bin
rm -r /sys/fs/bpf/bpftest-many-entries /sys/fs/bpf/bpftest-many-entries-maps

# 'cases.yaml::a value for each CPU'
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: sum
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-a-value-for-each-CPU \
    pinmaps /sys/fs/bpf/bpftest-a-value-for-each-CPU-maps
# not done: an entry of the map on_each: it has a value for each CPU, and bpftool takes one for all
# expected: retval 26
bpftool prog run pinned /sys/fs/bpf/bpftest-a-value-for-each-CPU/sum \
    data_in .bpftest/reproduce/cases/a-value-for-each-CPU/data_in.bin \
    data_out .bpftest/reproduce/cases/a-value-for-each-CPU/data_out.bin \
    ctx_in .bpftest/reproduce/cases/a-value-for-each-CPU/ctx_in.bin \
    ctx_out .bpftest/reproduce/cases/a-value-for-each-CPU/ctx_out.bin
rm -r /sys/fs/bpf/bpftest-a-value-for-each-CPU /sys/fs/bpf/bpftest-a-value-for-each-CPU-maps

# 'cases.yaml::a tail call'
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: hop, sum
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-a-tail-call \
    pinmaps /sys/fs/bpf/bpftest-a-tail-call-maps
bpftool map update pinned /sys/fs/bpf/bpftest-a-tail-call-maps/following key hex 01 00 00 00 value pinned /sys/fs/bpf/bpftest-a-tail-call/sum
# expected: retval 25
bpftool prog run pinned /sys/fs/bpf/bpftest-a-tail-call/hop \
    data_in .bpftest/reproduce/cases/a-tail-call/data_in.bin \
    data_out .bpftest/reproduce/cases/a-tail-call/data_out.bin \
    ctx_in .bpftest/reproduce/cases/a-tail-call/ctx_in.bin \
    ctx_out .bpftest/reproduce/cases/a-tail-call/ctx_out.bin
rm -r /sys/fs/bpf/bpftest-a-tail-call /sys/fs/bpf/bpftest-a-tail-call-maps

# 'cases.yaml::a context'
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: marked
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-a-context
# expected: retval 125
bpftool prog run pinned /sys/fs/bpf/bpftest-a-context/marked \
    data_in .bpftest/reproduce/cases/a-context/data_in.bin \
    data_out .bpftest/reproduce/cases/a-context/data_out.bin \
    ctx_in .bpftest/reproduce/cases/a-context/ctx_in.bin \
    ctx_out .bpftest/reproduce/cases/a-context/ctx_out.bin
rm -r /sys/fs/bpf/bpftest-a-context

# 'cases.yaml::a flag'
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: marked
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-a-flag
# not done: flags checksum_complete; bpftool sets none
# expected: retval 25
bpftool prog run pinned /sys/fs/bpf/bpftest-a-flag/marked \
    data_in .bpftest/reproduce/cases/a-flag/data_in.bin \
    data_out .bpftest/reproduce/cases/a-flag/data_out.bin \
    ctx_in .bpftest/reproduce/cases/a-flag/ctx_in.bin
rm -r /sys/fs/bpf/bpftest-a-flag

# cases.yaml::steps
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: sum, hop
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-steps \
    pinmaps /sys/fs/bpf/bpftest-steps-maps
# step: first
# expected: retval 25
bpftool prog run pinned /sys/fs/bpf/bpftest-steps/sum \
    data_in .bpftest/reproduce/cases/steps/first/data_in.bin \
    data_out .bpftest/reproduce/cases/steps/first/data_out.bin \
    data_size_out 131072 \
    ctx_in .bpftest/reproduce/cases/steps/first/ctx_in.bin \
    ctx_out .bpftest/reproduce/cases/steps/first/ctx_out.bin
# step: step 2
# not done: globals before this step
# expected: retval 9
# the packet is what the step before has left; without a ctx_in, and with metadata if it has left some
bpftool prog run pinned /sys/fs/bpf/bpftest-steps/sum \
    data_in .bpftest/reproduce/cases/steps/first/data_out.bin \
    data_out .bpftest/reproduce/cases/steps/step-2/data_out.bin \
    data_size_out 131072
# step: third
# expected: retval 7
bpftool prog run pinned /sys/fs/bpf/bpftest-steps/hop \
    data_in .bpftest/reproduce/cases/steps/third/data_in.bin \
    data_out .bpftest/reproduce/cases/steps/third/data_out.bin \
    ctx_in .bpftest/reproduce/cases/steps/third/ctx_in.bin \
    ctx_out .bpftest/reproduce/cases/steps/third/ctx_out.bin
rm -r /sys/fs/bpf/bpftest-steps /sys/fs/bpf/bpftest-steps-maps

# 'cases.yaml::without a context'
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: tick
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-without-a-context
# expected: retval 25
bpftool prog run pinned /sys/fs/bpf/bpftest-without-a-context/tick repeat 0
rm -r /sys/fs/bpf/bpftest-without-a-context

# 'cases.yaml::a system call'
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: called
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-a-system-call
# expected: retval 26
bpftool prog run pinned /sys/fs/bpf/bpftest-a-system-call/called repeat 0
rm -r /sys/fs/bpf/bpftest-a-system-call

# 'cases.yaml::on a CPU'
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: cpu
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-on-a-CPU
# expected: retval XDP_ABORTED (0)
taskset -c 0 bpftool prog run pinned /sys/fs/bpf/bpftest-on-a-CPU/cpu \
    data_in .bpftest/reproduce/cases/on-a-CPU/data_in.bin \
    data_out .bpftest/reproduce/cases/on-a-CPU/data_out.bin \
    ctx_in .bpftest/reproduce/cases/on-a-CPU/ctx_in.bin \
    ctx_out .bpftest/reproduce/cases/on-a-CPU/ctx_out.bin
rm -r /sys/fs/bpf/bpftest-on-a-CPU

# cases.yaml::arguments
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: told
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-arguments
# not run: with a ctx_in bpftool asks for ctx_out too, and the kernel refuses that for raw_tracepoint
rm -r /sys/fs/bpf/bpftest-arguments

# 'cases.yaml::on another CPU'
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: tick
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-on-another-CPU
# bpftest has the kernel interrupt that CPU to run the program; here bpftool itself runs on it
# expected: retval 25
taskset -c 0 bpftool prog run pinned /sys/fs/bpf/bpftest-on-another-CPU/tick repeat 0
rm -r /sys/fs/bpf/bpftest-on-another-CPU

# 'cases.yaml::another type'
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: told
# bpftool has one type for all programs of an object: 'told' should be loaded as tc
bpftool -d prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-another-type
# that is all: the case is about loading the program
rm -r /sys/fs/bpf/bpftest-another-type

# 'cases.yaml::is loaded'
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: sum
# not done: load.flags test_rnd_hi32; bpftool sets none
# not done: load.maps.many; bpftool makes maps as the object declares them
bpftool -d prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-is-loaded
# that is all: the case is about loading the program
rm -r /sys/fs/bpf/bpftest-is-loaded

# 'cases.yaml::live frames'
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: sum
# not done: interfaces left (tap, index 2); make them with ip-link(8) in a namespace, and run with nsenter
# --net
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-live-frames
# not run: its frames are live, and bpftool sets no flags
rm -r /sys/fs/bpf/bpftest-live-frames

# 'cases.yaml::a socket'
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: sum
# not done: the socket web (tcp, 127.0.0.1 port 80); open it in the namespace of the run
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-a-socket
# expected: retval 25
bpftool prog run pinned /sys/fs/bpf/bpftest-a-socket/sum \
    data_in .bpftest/reproduce/cases/a-socket/data_in.bin \
    data_out .bpftest/reproduce/cases/a-socket/data_out.bin \
    ctx_in .bpftest/reproduce/cases/a-socket/ctx_in.bin \
    ctx_out .bpftest/reproduce/cases/a-socket/ctx_out.bin
rm -r /sys/fs/bpf/bpftest-a-socket

# 'cases.yaml::is skipped; $(false)'
# the suite skips it: not today
# bpftool loads all 7 programs of the object, and fails with any of them; bpftest only: sum
bpftool prog loadall .bpftest/reproduce/cases/reproduced.o /sys/fs/bpf/bpftest-is-skipped-false-aa208254
# not looked at: what the program prints: bpftool prog tracelog shows it, from another terminal
# expected: retval XDP_DROP (1)
bpftool prog run pinned /sys/fs/bpf/bpftest-is-skipped-false-aa208254/sum \
    data_in .bpftest/reproduce/cases/is-skipped-false-aa208254/data_in.bin \
    data_out .bpftest/reproduce/cases/is-skipped-false-aa208254/data_out.bin \
    ctx_in .bpftest/reproduce/cases/is-skipped-false-aa208254/ctx_in.bin \
    ctx_out .bpftest/reproduce/cases/is-skipped-false-aa208254/ctx_out.bin
rm -r /sys/fs/bpf/bpftest-is-skipped-false-aa208254
