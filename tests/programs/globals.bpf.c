/* Global variables wherever a compiler puts them. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

struct limits {
	__u32 rate;
	__u16 ports[4];
};

int passed;
static volatile int hidden = 3;
struct limits limits SEC(".data.limits") = { .rate = 10, .ports = { 80, 443 } };
const volatile __u64 budget SEC(".rodata.budget") = 100;
char name[8] = "first";

/* In another order than libbpf lays them out. */
extern bool CONFIG_NOWHERE_FLAG __kconfig __weak;
extern int LINUX_KERNEL_VERSION __kconfig;
extern char CONFIG_NOWHERE_TEXT[12] __kconfig __weak;
extern enum libbpf_tristate CONFIG_BPF __kconfig __weak;
extern unsigned long LINUX_HAS_BPF_COOKIE __kconfig;
extern enum libbpf_tristate CONFIG_NOWHERE __kconfig __weak;

SEC("xdp")
int count(struct xdp_md *ctx)
{
	static int calls;

	passed += LINUX_KERNEL_VERSION > 0 && CONFIG_BPF < 3 && !CONFIG_NOWHERE && !CONFIG_NOWHERE_FLAG &&
		  !CONFIG_NOWHERE_TEXT[0] && LINUX_HAS_BPF_COOKIE < 2;
	hidden++;
	calls++;
	limits.rate--;
	return budget + calls;
}

char _license[] SEC("license") = "GPL";
