// SPDX-License-Identifier: GPL-2.0
// The limit: nothing but BPF_PROG_RUN and one comparison a packet.
//
//     loop OBJECT PACKETS PROGRAM RETVAL
//
// PACKETS: each with its length before it, 32 bits. Prints the nanoseconds that the loop took, without the load.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned char data_in[1 << 16], data_out[1 << 17];

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv)
{
	struct bpf_object *object = argc == 5 ? bpf_object__open_file(argv[1], NULL) : NULL;
	FILE *packets = argc == 5 ? fopen(argv[2], "rb") : NULL;
	unsigned int size, failed = 0;

	if (!object || !packets || bpf_object__load(object))
		return 2;
	int program = bpf_program__fd(bpf_object__find_program_by_name(object, argv[3]));
	unsigned int expected = strtoul(argv[4], NULL, 0);
	long long started = now();
	while (fread(&size, sizeof(size), 1, packets) == 1) {
		if (size > sizeof(data_in) || fread(data_in, 1, size, packets) != size)
			return 2;
		LIBBPF_OPTS(bpf_test_run_opts, run,
			    .data_in = data_in, .data_size_in = size,
			    .data_out = data_out, .data_size_out = sizeof(data_out), .repeat = 1);
		failed += bpf_prog_test_run_opts(program, &run) || run.retval != expected;
	}
	printf("%lld\n", now() - started);
	return failed != 0;
}
