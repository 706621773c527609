/* Writes up to PIPE_BUF are never interleaved; readers and writers over fork see EOF only at the very end. */ /* musl */
#include "probe.h"

int main(void)
{
	int p[2], s;
	char b[4096];
	MUST(pipe(p));
	for (int w = 0; w < 4; w++)
		if (child() == 0) {
			static const int len[] = { 1, 100, 4095, 4096 };
			int n = len[w];
			if (n < 4) n = 4;
			memset(b, 'a' + w, n);
			b[0] = 'A' + w;
			b[1] = n & 0xff;
			b[2] = n >> 8;
			for (int i = 0; i < 60; i++)
				if (write(p[1], b, n) != n) _exit(1);
			_exit(0);
		}
	close(p[1]);
	int counts[4] = { 0 }, torn = 0;
	FILE *f = fdopen(p[0], "r");
	for (;;) {
		int c = getc(f);
		if (c == EOF) break;
		int n = getc(f);
		n |= getc(f) << 8;
		int w = c - 'A';
		if (w < 0 || w > 3) {
			torn++;
			break;
		}
		counts[w]++;
		for (int i = 3; i < n; i++)
			if (getc(f) != 'a' + w) torn++;
	}
	say("torn=%d counts=%d %d %d %d", torn, counts[0], counts[1], counts[2], counts[3]);
	for (int i = 0; i < 4; i++) wait(&s);
	/* Many readers share one pipe: every byte is read once. */
	int q[2], sum[2];
	MUST(pipe(q));
	MUST(pipe(sum));
	for (int r = 0; r < 3; r++)
		if (child() == 0) {
			close(q[1]);
			int n = 0;
			char c;
			while (read(q[0], &c, 1) == 1) n += c;
			write(sum[1], &n, sizeof n);
			_exit(0);
		}
	close(q[0]);
	close(sum[1]);
	for (int i = 0; i < 500; i++) write(q[1], "\1", 1);
	close(q[1]);
	int total = 0, n;
	while (read(sum[0], &n, sizeof n) == sizeof n) total += n;
	say("bytes=%d", total);
	while (wait(&s) > 0)
		;
	return 0;
}
