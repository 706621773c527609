/*
 * A signal that is blocked but for the time of a wait ends every such wait, whenever it comes: just before the mask changes, while it does, or after. By ppoll, pselect6,
 * sigsuspend and by a plain change of the mask before a sleep that only a signal's handler ends.
 */
#include "probe.h"
#include <poll.h>
#include <sys/select.h>

#define ROUNDS 400

static volatile sig_atomic_t got;
static void count(int signo) { (void)signo; got++; }

static void by_ppoll(const sigset_t *open) { ppoll(NULL, 0, NULL, open); }
static void by_pselect(const sigset_t *open) { pselect(0, NULL, NULL, NULL, NULL, open); }
static void by_suspend(const sigset_t *open) { sigsuspend(open); }

static void waits(const char *key, void (*wait_once)(const sigset_t *))
{
	struct gate ready = new_gate();
	int parent = getpid(), pid, st;
	sigset_t blocked, open;
	int rounds = 0;

	got = 0;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, &blocked, &open));
	sigdelset(&open, SIGUSR1);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < ROUNDS; i++) {
			pass_gate(&ready);
			/* Sooner or later, so that it meets every moment of the other side. */
			for (volatile int spin = 0; spin < i * 50 % 6000; spin++)
				;
			kill(parent, SIGUSR1);
		}
		_exit(0);
	}
	while (rounds < ROUNDS) {
		int before = got;

		open_gate(&ready);
		while (got == before)
			wait_once(&open);
		rounds++;
	}
	MUST(waitpid(pid, &st, 0));
	say("%s.rounds=%d handled=%d status=%d", key, rounds, (int)got, st);
}

int main(void)
{
	struct sigaction sa = { .sa_handler = count };

	MUST(sigaction(SIGUSR1, &sa, NULL));
	waits("ppoll", by_ppoll);
	waits("pselect", by_pselect);
	waits("sigsuspend", by_suspend);
	return 0;
}
