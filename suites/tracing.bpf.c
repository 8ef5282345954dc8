// SPDX-License-Identifier: GPL-2.0
/*
 * Programs around functions of the kernel. BPF_PROG_RUN calls the functions that the kernel has for tests, with
 * arguments that it chooses: bpf_fentry_test1(1), and bpf_modify_return_test(1, &two). The first returns its argument
 * plus 1; the second adds 1 to what its pointer points to and returns the sum of both, which makes 4.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define EPERM 1

#ifndef LIMIT
#define LIMIT 1
#endif

/* What the programs have seen. */
__u32 entered, left;
int argument, result;

SEC("fentry/bpf_fentry_test1")
int BPF_PROG(on_entry, int a)
{
	entered += 1;
	argument = a;
	return 0;
}

SEC("fexit/bpf_fentry_test1")
int BPF_PROG(on_exit, int a, int ret)
{
	left += 1;
	argument = a;
	result = ret;
	return 0;
}

/* Runs before the function, which is called only if this returns 0: else this is its result. */
SEC("fmod_ret/bpf_modify_return_test")
int BPF_PROG(limit, int a, int *b, int ret)
{
	return a > LIMIT ? -EPERM : 0;
}

char LICENSE[] SEC("license") = "GPL";
