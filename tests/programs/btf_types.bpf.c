/* Every kind of type and member that BTF can describe, and globals whose bytes C itself has computed.
 *
 * It includes no headers: it is compiled for BPF in both byte orders, and natively by the tests' own main().
 */

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __le32;
typedef __be32 addr_t;
typedef _Bool bool;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BE16(x) __builtin_bswap16(x)
#define BE32(x) __builtin_bswap32(x)
#define BE64(x) __builtin_bswap64(x)
#define LE32(x) (x)
#else
#define BE16(x) (x)
#define BE32(x) (x)
#define BE64(x) (x)
#define LE32(x) __builtin_bswap32(x)
#endif

/* A section of its own for each, so that a test finds its bytes by name. */
#define GLOBAL(type, name) GLOBAL_ARRAY(type, name, )
#define GLOBAL_ARRAY(type, name, bounds) type name bounds __attribute__((section(".data." #name), used))

enum verdict { DROP = 1, PASS = 2, TX = 3 };
enum balance { OWING = -1, EVEN, AHEAD };
enum flags { FLAG_A = 1, FLAG_B = 2, FLAG_C = 4, FLAG_D = 8, FLAG_FIRST = 1, FLAG_ABC = 7 };
enum wide { WIDE_LOW = 1, WIDE_HIGH = 0x100000000ULL };
enum wide_signed { WIDE_NEGATIVE = -0x100000000LL, WIDE_ZERO = 0 };
enum __attribute__((packed)) tiny { TINY_ON = 7 };

struct in_addr {
	__be32 s_addr;
};

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be16 u6_addr16[8];
		__be32 u6_addr32[4];
	} in6_u;
};

struct numbers {
	__u8 u8;
	__s8 s8;
	__u16 u16;
	__s16 s16;
	__u32 u32;
	__s32 s32;
	__u64 u64;
	__s64 s64;
	__int128 s128;
	unsigned __int128 u128;
	char letter;
	bool yes;
	long length;
};

struct network {
	__be16 port;
	__be32 seq;
	__be64 cookie;
	__le32 little;
	addr_t peer;
	__u32 host;
	__u8 octets[4];
	__u8 mac[6];
	unsigned char hops[3];
	struct in_addr in4;
	struct in6_addr in6;
	__be32 flat6[4];
};

struct bits {
	__u32 low : 3;
	__u32 middle : 11;
	__s32 negative : 5;
	__u32 : 2;
	bool flag : 1;
	enum verdict verdict : 4;
	enum balance balance : 3;
	__u64 straddles : 40;
	__s64 rest : 24;
	__be16 plain : 12; /* a bit-field has no byte order of its own */
};

struct __attribute__((packed)) packed_bits {
	__u8 head;
	__u16 seven : 7;
	__u16 ten : 10;
	__u32 odd : 23;
	__u64 long_one : 57;
};

struct nested {
	__u8 kind;
	union {
		__be32 v4;
		__be32 v6[4];
	};
	struct {
		__u16 id;
		struct {
			__u8 first : 4;
			__u8 second : 4;
		};
	};
	union choice {
		__u8 raw[8];
		struct {
			__u32 a;
			__u16 b;
		} parts;
	} choice;
	struct numbers inner[2];
};

union lossy { /* neither of the two holds all the bytes of the other */
	struct {
		__u8 early;
		__u32 late;
	} one;
	struct {
		__u32 early;
		__u8 late;
	} two;
};

struct texts {
	char name[16];
	char full[4];
	char dirty[4];
	char lines[2][4];
	signed char not_text[3];
};

struct reals {
	float single;
	double twice;
	float not_a_number;
};

struct pointers {
	void *any;
	const char *constant;
	char *restrict alone;
	int (*call)(struct numbers *numbers, char letter);
	struct unknown *declared_only;
	struct pointers *self;
	int (*rows)[3];
	int *columns[3];
	const volatile int *const volatile qualified;
};

struct forms { /* fields with the names of explicit forms */
	__u32 hex;
	__u8 text;
};

struct flexible {
	__u32 count;
	__u16 items[];
};

struct empty {};

struct tail {
	struct empty nothing;
	__u8 u8;
	__u64 u64;
};

typedef struct {
	enum verdict verdict;
	enum tiny tiny;
	enum wide wide;
	enum wide_signed wide_signed;
	enum balance balance;
	enum flags flags;
	enum flags unnamed;
} enums_t;

#if __clang__
#define TYPE_TAG(tag) __attribute__((btf_type_tag(tag)))
#define DECL_TAG(tag) __attribute__((btf_decl_tag(tag)))
#else
#define TYPE_TAG(tag)
#define DECL_TAG(tag)
#endif

struct tagged {
	int TYPE_TAG("user") * pointer;
	int marked DECL_TAG("mark");
} DECL_TAG("whole");

GLOBAL(struct numbers, numbers) = {
	.u8 = 200,
	.s8 = -100,
	.u16 = 60000,
	.s16 = -30000,
	.u32 = 4000000000u,
	.s32 = -2000000000,
	.u64 = 18000000000000000000ull,
	.s64 = -9000000000000000000ll,
	.s128 = -((__int128)1 << 100),
	.u128 = (unsigned __int128)1 << 127 | 5,
	.letter = 'A',
	.yes = 1,
	.length = -5,
};

GLOBAL(struct network, network) = {
	.port = BE16(443),
	.seq = BE32(0x0a000009),
	.cookie = BE64(0x0102030405060708ull),
	.little = LE32(0x11223344),
	.peer = BE32(0xc0000201),
	.host = 7,
	.octets = {10, 1, 1, 1},
	.mac = {2, 0, 0, 0, 0, 1},
	.hops = {1, 2, 3},
	.in4 = {BE32(0x0a010101)},
	.in6 = {.in6_u.u6_addr8 = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}},
	.flat6 = {BE32(0x20010db8), 0, 0, BE32(2)},
};

GLOBAL(struct bits, bits) = {
	.low = 5,
	.middle = 1234,
	.negative = -7,
	.flag = 1,
	.verdict = TX,
	.balance = OWING,
	.straddles = 0xabcdef1234ull,
	.rest = -1000000,
	.plain = 0x123,
};

GLOBAL(struct packed_bits, packed_bits) = {
	.head = 255,
	.seven = 85,
	.ten = 777,
	.odd = 0x654321,
	.long_one = 0x123456789abcdefull,
};

GLOBAL(struct nested, nested) = {
	.kind = 6,
	.v6 = {BE32(0xfe800000), 0, 0, BE32(9)},
	.id = 515,
	.first = 9,
	.second = 6,
	.choice = {.raw = {1, 2, 3, 4, 5, 6, 7, 8}},
	.inner = {{.u8 = 1}, {.s64 = -2}},
};

GLOBAL(union lossy, lossy) = {.one = {.early = 1, .late = 0x01010101}};

GLOBAL(struct texts, texts) = {
	.name = "eth0 \"\xc3\xa9\"",
	.full = {'f', 'u', 'l', 'l'},
	.dirty = {'a', 0, 'b', 0},
	.lines = {"one", "two"},
	.not_text = {65, -1, 0},
};

GLOBAL(struct reals, reals) = {.single = 1.5f, .twice = -0.1, .not_a_number = __builtin_nanf("0x123")};

GLOBAL(struct pointers, pointers) = {.any = (void *)0xffff888012345678ull};

GLOBAL(struct forms, forms) = {.hex = 16, .text = 1};

GLOBAL(struct tail, tail) = {.u8 = 1, .u64 = 2};

GLOBAL(enums_t, enums) = {
	.verdict = PASS,
	.tiny = TINY_ON,
	.wide = WIDE_HIGH,
	.wide_signed = WIDE_NEGATIVE,
	.balance = OWING,
	.flags = FLAG_A | FLAG_C,
	.unnamed = (enum flags)16,
};

GLOBAL(bool, truth) = 1;
GLOBAL(__be16, port) = BE16(80);
GLOBAL_ARRAY(volatile int, matrix, [2][3]) = {{1, 2, 3}, {-4, -5, -6}};
GLOBAL_ARRAY(enum verdict, verdicts, [3]) = {DROP, PASS, TX};
GLOBAL(struct flexible, flexible) = {.count = 3};
GLOBAL(struct tagged, tagged) = {.marked = 4};

const volatile __u32 limit = 10; /* .rodata, .bss and .data: what suites set */
static volatile __u64 passed;
struct in_addr peers[4] = {};
int started = 1;
int stopped = 2;

__attribute__((section("xdp"), used)) int program(void *ctx)
{
	(void)ctx;
	passed += limit;
	return DROP;
}
