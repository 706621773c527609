"""Runs one module of Debian's libpython3.11-testsuite, one line per test method.

    python3 cpython.py MODULE [WITHOUT...]

WITHOUT: classes of the module that are left out.

Each finished test prints "@@VERDICT NAME" on what was standard output when this started, in one write, so that it is there even if the interpreter dies
with the next test. A test that began prints "@@BEGIN NAME". Resources that need the network, a sound card or much time and disk are off, as in regrtest.
"""
import os
import sys
import unittest

from test import support

OUT = os.dup(1)


def say(verdict, name):
    os.write(OUT, ("\n@@%s %s\n" % (verdict, name.replace("\n", " "))).encode("latin-1", "replace"))


class Result(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.failed = False
        say("BEGIN", test.id())

    def bad(self, test, verdict):
        # setUpClass and the like fail without a test of their own: unittest makes one up for them.
        self.failed = True
        say(verdict, test.id())

    def addSuccess(self, test):
        if not self.failed:
            say("PASS", test.id())

    def addFailure(self, test, err):
        super().addFailure(test, err)
        sys.stderr.write("FAIL %s\n%s\n" % (test.id(), self.failures[-1][1]))
        self.bad(test, "FAIL")

    def addError(self, test, err):
        super().addError(test, err)
        sys.stderr.write("ERROR %s\n%s\n" % (test.id(), self.errors[-1][1]))
        self.bad(test, "FAIL")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            sys.stderr.write("FAIL %s\n%s\n" % (subtest.id(), (self.failures + self.errors)[-1][1]))
            self.bad(test, "FAIL")

    def addSkip(self, test, reason):
        if not self.failed:
            say("SKIP", test.id())

    def addExpectedFailure(self, test, err):
        say("PASS", test.id())

    def addUnexpectedSuccess(self, test):
        self.bad(test, "FAIL")


def flat(suite, without):
    """The test cases of a suite in order, but for those of classes with these names."""
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flat(item, without)
        elif type(item).__name__ not in without:
            yield item


def main():
    module = sys.argv[1]
    without = sys.argv[2:]
    support.use_resources = ["curses", "subprocess", "decimal", "tzdata"]
    support.verbose = 0
    sys.argv[1:] = []
    suite = unittest.TestSuite(flat(unittest.defaultTestLoader.loadTestsFromName("test." + module), without))
    result = Result()
    suite.run(result)
    say("DONE", str(result.testsRun))
    return 0 if result.wasSuccessful() else 2


if __name__ == "__main__":
    sys.exit(main())
