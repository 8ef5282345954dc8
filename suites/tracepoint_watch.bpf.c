// SPDX-License-Identifier: GPL-2.0
/*
 * Watches the kernel at three raw tracepoints, and grades what it sees by the tracepoint's arguments.
 *
 * grade takes the result of a system call, saturation what one round of polling a network device has done, and
 * frequency the new frequency of a CPU. They return the grade: the kernel does not look at it, a test does.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define EPERM 1
#define EINTR 4
#define EIO 5
#define EAGAIN 11
#define EACCES 13
#define MAX_ERRNO 4095

#define ERESTARTSYS 512 /* these never leave the kernel */
#define ERESTART_RESTARTBLOCK 516

enum watch_grade {
	GRADE_FINE,
	GRADE_TRY_AGAIN,
	GRADE_REFUSED,
	GRADE_FAILED,
	GRADE_HARDWARE,
};

/* trace_sys_exit(regs, ret). Addresses are results too: only the last 4095 numbers are errors. */
SEC("raw_tp/sys_exit")
int BPF_PROG(grade, struct pt_regs *regs, long ret)
{
	if (ret >= 0 || ret < -MAX_ERRNO)
		return GRADE_FINE;
	if (ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK)
		return GRADE_TRY_AGAIN;

	switch (-ret) {
	case EINTR:
	case EAGAIN:
		return GRADE_TRY_AGAIN;
	case EPERM:
	case EACCES:
		return GRADE_REFUSED;
	case EIO:
		return GRADE_HARDWARE;
	}
	return GRADE_FAILED;
}

/* trace_napi_poll(napi, work, budget): how much of the budget is used up, in percent; -1 for what cannot be. */
SEC("raw_tp/napi_poll")
int BPF_PROG(saturation, struct napi_struct *napi, int work, int budget)
{
	if (budget <= 0 || work < 0 || work > budget)
		return -1;
	return (__u32)work * 100 / (__u32)budget;
}

#define BASE_KHZ 2400000
#define STALE (-2)

/*
 * trace_cpu_frequency(khz, cpu): 0 below the base frequency, 1 at it or above. A CPU that tells of another tells of
 * what may have changed since.
 */
SEC("raw_tp/cpu_frequency")
int BPF_PROG(frequency, unsigned int khz, unsigned int cpu)
{
	if (cpu != bpf_get_smp_processor_id())
		return STALE;
	return khz >= BASE_KHZ;
}

char LICENSE[] SEC("license") = "GPL";
