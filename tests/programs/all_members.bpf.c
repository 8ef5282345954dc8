/* A struct with every kind of member, and C's own view of it: each member as a number, both ways, one by one.
 * -DPACKED: without padding, so that members are where no aligned load reaches them.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#ifdef PACKED
#define LAID_OUT __attribute__((packed))
#else
#define LAID_OUT
#endif

enum verdict { DROP = 1, PASS, TX };
enum balance { OWING = -1, EVEN, AHEAD };
enum wide { NEAR = 1, FAR = 0x100000000ULL };
enum __attribute__((packed)) tiny { OFF, ON };

typedef __u16 port_number;
typedef port_number port_range[2];
typedef unsigned char octet;

typedef struct LAID_OUT {
	__be16 port;
	__u8 flags : 3;
	__s8 rank : 5;
	__s64 weight;
} row;

struct LAID_OUT all_members {
	__u8 u8;
	__s64 s64;
	__s8 s8;
	__u16 u16;
	char letter;
	__s16 s16;
	__u32 u32;
	_Bool yes;
	__s32 s32;
	__u64 u64;
	__int128 s128;
	unsigned __int128 u128;
	__be16 be16;
	__be64 be64;
	__be32 peer;
	__be32 peers[4];
	__le32 le32;
	octet mac[6];
	octet id[3];
	char name[8];
	char lines[2][4];
	enum verdict verdict;
	enum balance balance;
	enum wide wide;
	enum tiny tiny;
	_Bool switches[3];
	/* bit-fields, over the borders of bytes and of words */
	__u32 low : 3;
	__u32 middle : 11;
	__s32 negative : 5;
	__u32 : 2;
	_Bool flag : 1;
	enum verdict small : 4;
	enum balance change : 3;
	__u64 straddles : 40;
	__s64 rest : 23;
	__s32 : 0;
	__u64 almost : 63;
	__s16 sign : 1;
	__be16 plain : 12; /* a bit-field has no byte order of its own */
	struct {
		__u16 first;
		struct {
			__u8 second : 4;
			__s8 third : 4;
		};
	};
	union {
		__be32 v4;
		octet raw[4];
	};
	struct LAID_OUT {
		__u8 depth;
		struct LAID_OUT {
			__s32 depth;
			row row;
		} inner;
	} nested;
	union {
		__u64 whole;
		__u32 halves[2];
		octet octets[8];
	} choice;
	row rows[2];
	__s16 grid[2][3];
	port_number typedefed;
	port_range ports;
	const volatile __u32 qualified;
	void *pointer;
	int (*call)(struct all_members *);
	float single;
	double twice;
};

/* How C sees it, in how many bits, and where: SEEN gives the number, PUT takes it. */
#define MEMBERS(X)                                                                                                     \
	X(UNSIGNED, 8, u8) X(SIGNED, 64, s64) X(SIGNED, 8, s8) X(UNSIGNED, 16, u16) X(SIGNED, 8, letter)                   \
	X(SIGNED, 16, s16) X(UNSIGNED, 32, u32) X(BOOLEAN, 8, yes) X(SIGNED, 32, s32) X(UNSIGNED, 64, u64)                 \
	X(SIGNED, 128, s128) X(UNSIGNED, 128, u128)                                                                        \
	X(NETWORK, 16, be16) X(NETWORK, 64, be64) X(IP4, 32, peer)                                                         \
	X(IP6, 32, peers[0]) X(IP6, 32, peers[1]) X(IP6, 32, peers[2]) X(IP6, 32, peers[3]) X(UNSIGNED, 32, le32)          \
	X(MAC, 8, mac[0]) X(MAC, 8, mac[1]) X(MAC, 8, mac[2]) X(MAC, 8, mac[3]) X(MAC, 8, mac[4]) X(MAC, 8, mac[5])        \
	X(OCTET, 8, id[0]) X(OCTET, 8, id[1]) X(OCTET, 8, id[2])                                                           \
	X(TEXT, 8, name[0]) X(TEXT, 8, name[1]) X(TEXT, 8, name[2]) X(TEXT, 8, name[3])                                    \
	X(TEXT, 8, name[4]) X(TEXT, 8, name[5]) X(TEXT, 8, name[6]) X(TEXT, 8, name[7])                                    \
	X(TEXT, 8, lines[0][0]) X(TEXT, 8, lines[0][1]) X(TEXT, 8, lines[0][2]) X(TEXT, 8, lines[0][3])                    \
	X(TEXT, 8, lines[1][0]) X(TEXT, 8, lines[1][1]) X(TEXT, 8, lines[1][2]) X(TEXT, 8, lines[1][3])                    \
	X(UNSIGNED, 32, verdict) X(SIGNED, 32, balance) X(UNSIGNED, 64, wide) X(UNSIGNED, 8, tiny)                         \
	X(UNSIGNED, 3, low) X(UNSIGNED, 11, middle) X(SIGNED, 5, negative) X(BOOLEAN, 1, flag) X(UNSIGNED, 4, small)       \
	X(SIGNED, 3, change) X(UNSIGNED, 40, straddles) X(SIGNED, 23, rest) X(UNSIGNED, 63, almost) X(SIGNED, 1, sign)     \
	X(UNSIGNED, 12, plain) X(BOOLEAN, 8, switches[0]) X(BOOLEAN, 8, switches[1]) X(BOOLEAN, 8, switches[2])            \
	X(UNSIGNED, 16, first) X(UNSIGNED, 4, second) X(SIGNED, 4, third)                                                  \
	X(IP4, 32, v4) X(OCTET, 8, raw[0]) X(OCTET, 8, raw[1]) X(OCTET, 8, raw[2]) X(OCTET, 8, raw[3])                     \
	X(UNSIGNED, 8, nested.depth) X(SIGNED, 32, nested.inner.depth) X(NETWORK, 16, nested.inner.row.port)               \
	X(UNSIGNED, 3, nested.inner.row.flags) X(SIGNED, 5, nested.inner.row.rank) X(SIGNED, 64, nested.inner.row.weight)  \
	X(UNSIGNED, 64, choice.whole) X(UNSIGNED, 32, choice.halves[0]) X(UNSIGNED, 32, choice.halves[1])                  \
	X(OCTET, 8, choice.octets[0]) X(OCTET, 8, choice.octets[1]) X(OCTET, 8, choice.octets[2])                          \
	X(OCTET, 8, choice.octets[3]) X(OCTET, 8, choice.octets[4]) X(OCTET, 8, choice.octets[5])                          \
	X(OCTET, 8, choice.octets[6]) X(OCTET, 8, choice.octets[7])                                                        \
	X(NETWORK, 16, rows[0].port) X(UNSIGNED, 3, rows[0].flags) X(SIGNED, 5, rows[0].rank) X(SIGNED, 64, rows[0].weight) \
	X(NETWORK, 16, rows[1].port) X(UNSIGNED, 3, rows[1].flags) X(SIGNED, 5, rows[1].rank) X(SIGNED, 64, rows[1].weight) \
	X(SIGNED, 16, grid[0][0]) X(SIGNED, 16, grid[0][1]) X(SIGNED, 16, grid[0][2])                                      \
	X(SIGNED, 16, grid[1][0]) X(SIGNED, 16, grid[1][1]) X(SIGNED, 16, grid[1][2])                                      \
	X(UNSIGNED, 16, typedefed) X(UNSIGNED, 16, ports[0]) X(UNSIGNED, 16, ports[1]) X(QUALIFIED, 32, qualified)         \
	X(POINTER, 64, pointer) X(POINTER, 64, call) X(REAL, 32, single) X(REAL, 64, twice)

typedef unsigned __int128 number;

#define SEEN_UNSIGNED(bits, member) (member)
#define SEEN_SIGNED(bits, member) ((__int128)(member))
#define SEEN_BOOLEAN(bits, member) (member)
#define SEEN_OCTET(bits, member) (member)
#define SEEN_MAC(bits, member) (member)
#define SEEN_TEXT(bits, member) ((unsigned char)(member))
#define SEEN_QUALIFIED(bits, member) (member)
#define SEEN_POINTER(bits, member) ((unsigned long)(member))
#define SEEN_NETWORK(bits, member) bpf_be##bits##_to_cpu(member)
#define SEEN_IP4(bits, member) bpf_be##bits##_to_cpu(member)
#define SEEN_IP6(bits, member) bpf_be##bits##_to_cpu(member)
#define SEEN_REAL(bits, member) ({ __u##bits raw; __builtin_memcpy(&raw, &(member), sizeof(raw)); raw; })

#define PUT_UNSIGNED(bits, member, given) member = given
#define PUT_SIGNED(bits, member, given) member = given
#define PUT_BOOLEAN(bits, member, given) member = given
#define PUT_OCTET(bits, member, given) member = given
#define PUT_MAC(bits, member, given) member = given
#define PUT_TEXT(bits, member, given) member = given
#define PUT_QUALIFIED(bits, member, given)                                                                            \
	({ __u##bits raw = given; __builtin_memcpy((void *)&(member), &raw, sizeof(raw)); })
#define PUT_POINTER(bits, member, given) member = (void *)(unsigned long)(given)
#define PUT_NETWORK(bits, member, given) member = bpf_cpu_to_be##bits(given)
#define PUT_IP4(bits, member, given) member = bpf_cpu_to_be##bits(given)
#define PUT_IP6(bits, member, given) member = bpf_cpu_to_be##bits(given)
#define PUT_REAL(bits, member, given) ({ __u##bits raw = given; __builtin_memcpy(&(member), &raw, sizeof(raw)); })

#define bpf_be16_to_cpu(given) bpf_ntohs(given)
#define bpf_be32_to_cpu(given) bpf_ntohl(given)
#define bpf_cpu_to_be16(given) bpf_htons(given)
#define bpf_cpu_to_be32(given) bpf_htonl(given)

#define NAME(view, bits, member) #view " " #bits " " #member,
#define SEE(view, bits, member) numbers[at++] = SEEN_##view(bits, of->member);
#define PUT(view, bits, member) PUT_##view(bits, of->member, numbers[at++]);

const char names[][48] = { MEMBERS(NAME) };
number numbers[sizeof(names) / sizeof(names[0])] SEC(".data.numbers") = {};
struct all_members global SEC(".data.global") = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct all_members);
} kept SEC(".maps");

static __always_inline int see(struct all_members *of)
{
	int at = 0;

	if (!of)
		return -1;
	MEMBERS(SEE)
	return at;
}

static __always_inline int put(struct all_members *of)
{
	int at = 0;

	if (!of)
		return -1;
	MEMBERS(PUT)
	return at;
}

static __always_inline struct all_members *in_map(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&kept, &key);
}

SEC("tc")
int see_map(struct __sk_buff *skb)
{
	return see(in_map());
}

SEC("tc")
int put_map(struct __sk_buff *skb)
{
	return put(in_map());
}

SEC("tc")
int see_global(struct __sk_buff *skb)
{
	return see(&global);
}

SEC("tc")
int put_global(struct __sk_buff *skb)
{
	return put(&global);
}

char _license[] SEC("license") = "GPL";
