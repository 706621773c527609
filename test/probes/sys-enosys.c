/* Numbers that no Linux knows, and calls it dropped; getrandom. */
#include "probe.h"
#include <sys/random.h>

int main(void)
{
	static const int none[] = { 400, 336 + 3, 600, 999, 1000, 1001, 5000, 100000, 0x7fffffff, -1, 174,
		177, 178, 180, 181, 182, 183, 184, 185, 205, 211, 214, 215, 236 };
	char k[24];
	unsigned char a[300], b[300];
	for (unsigned i = 0; i < sizeof none / sizeof *none; i++) {
		snprintf(k, 24, "nr-%d", none[i]);
		OK(k, syscall(none[i], 1, 2, 3, 4, 5, 6));
	}
	VAL("getrandom", getrandom(a, sizeof a, 0));
	getrandom(b, sizeof b, 0);
	IS("differ", memcmp(a, b, sizeof a) != 0);
	VAL("nonblock", getrandom(a, 10, GRND_NONBLOCK));
	VAL("random", getrandom(a, 10, GRND_RANDOM));
	VAL("zero", getrandom(a, 0, 0));
	OK("flags", getrandom(a, 1, 64));
	OK("both", getrandom(a, 1, GRND_RANDOM | 4));
	OK("fault", syscall(SYS_getrandom, 16, 8, 0));
	VAL("negative-errno-kept", syscall(SYS_close, -1));
	VAL("int-args-truncate", syscall(SYS_close, 0x100000000L + 99));
	return 0;
}
