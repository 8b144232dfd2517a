"""Imports in the master what its workers import anyway: a fork has it at once.

Only modules whose import leaves nothing behind that a fork cannot have: no Python thread, no descriptor (a socket, a
device). That is seen in a throw-away fork first. Threads that a C library starts do not count: numpy's and
scikit-learn's are made anew by whoever needs them. A module that asks for a refused one is refused, too: it might go on
without it, and differ from a cold start.
"""
import importlib
import json
import os
import signal
import sys
import threading
import time

from .channel import Lines

#: Of importing in the master between two rounds of its loop, in seconds.
SLICE = 0.05
LIMIT = 60.0
#: Throw-away forks: each one ends at the first module that it refuses.
ROUNDS = 20
NEVER = ('azureml_inference_server_http', 'gunicorn', 'drydock_hook', 'sitecustomize', 'debugpy', 'ptvsd')


class Warming(object):
    def __init__(self, modules, in_child, channel):
        self.in_child = in_child
        self.channel = channel
        self.wanted = [name for name in modules if name.split('.')[0] not in NEVER and name not in sys.modules]
        self.safe = []
        self.refused = {}
        self.rounds = 0
        self.began = time.monotonic()
        self.importing = None
        self.imported = []
        self.lines = None
        self.pid = 0
        self.look()

    def look(self):
        """A throw-away fork imports what is left, one after the other, and says of each what it left behind."""
        self.rounds += 1
        read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.in_child()
                os.close(read)
                quiet()
                os.nice(5)  # a candidate goes first
                Look(self.wanted, self.safe, set(self.refused), write).run()
            finally:
                os._exit(0)
        os.close(write)
        self.channel.say(apart={'pid': self.pid})
        self.lines = Lines(read)

    def poll(self):
        """True when it is over."""
        if self.importing is None:
            if time.monotonic() - self.began > LIMIT:
                self.end()
                self.importing = []
            else:
                for event in self.lines.read():
                    self.take(event)
                if not self.lines.ended:
                    return False
                self.lines.close()
                self.lines = None
                if self.refused_in_round() and self.rounds < ROUNDS:
                    self.look()
                    return False
                self.importing = list(self.safe)
        end = time.monotonic() + SLICE
        with Blocked(set(self.refused)):
            while self.importing:
                name = self.importing.pop(0)
                try:
                    importlib.import_module(name)
                    self.imported.append(name)
                except BaseException as error:
                    self.refused[name] = repr(error)
                if time.monotonic() > end and self.importing:
                    os.kill(os.getpid(), signal.SIGCHLD)  # the next round of the loop
                    return False
        self.channel.say(warmed={'modules': self.imported, 'refused': self.refused,
                            'ms': (time.monotonic() - self.began) * 1e3})
        return True

    def take(self, event):
        name = event['module']
        if name in self.wanted:
            self.wanted.remove(name)
        if event['reason'] is None:
            self.safe.append(name)
        else:
            self.refused[name] = event['reason']
            self.last = name

    def refused_in_round(self):
        """The fork ended because of a module; where it ended without a word, the module that it was at is to blame."""
        last, self.last = self.last, None
        if last is None and self.wanted:
            self.refused[self.wanted.pop(0)] = 'its import ended the process'
            return True
        return last is not None

    last = None

    def end(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
        except OSError:
            pass
        self.close()

    def close(self):
        if self.lines is not None:
            self.lines.close()
            self.lines = None


class Look(object):
    def __init__(self, wanted, safe, refused, descriptor):
        self.wanted, self.safe, self.refused, self.descriptor = wanted, safe, refused, descriptor

    def run(self):
        with Blocked(self.refused) as blocked:
            for name in self.safe:
                importlib.import_module(name)
            for name in list(self.wanted):
                before = state()
                blocked.asked = None
                try:
                    importlib.import_module(name)
                    reason = difference(before, state())
                except BaseException as error:
                    reason = repr(error)
                if blocked.asked is not None:
                    reason = 'it needs {}'.format(blocked.asked)
                self.say(name, reason)
                if reason is not None:
                    return

    def say(self, name, reason):
        line = json.dumps({'module': name, 'reason': reason}).encode('ascii') + b'\n'
        while line:
            line = line[os.write(self.descriptor, line):]


class Blocked(object):
    """Makes the import of refused modules fail, and remembers that it was asked for."""

    def __init__(self, names):
        self.names = names
        self.asked = None

    def __enter__(self):
        sys.meta_path.insert(0, self)
        return self

    def __exit__(self, *_):
        sys.meta_path.remove(self)

    def find_spec(self, fullname, path=None, target=None):
        if fullname in self.names:
            self.asked = fullname
            raise ImportError('{} is left out'.format(fullname))
        return None


def state():
    links = {}
    for descriptor in os.listdir('/proc/self/fd'):
        try:
            links[descriptor] = os.readlink('/proc/self/fd/' + descriptor)
        except OSError:
            pass  # the listing's own
    return {thread.name for thread in threading.enumerate()}, links


def difference(before, after):
    threads = after[0] - before[0]
    if threads:
        return 'its import starts a thread ({})'.format(', '.join(sorted(threads)))
    opened = [link for descriptor, link in after[1].items() if before[1].get(descriptor) != link]
    if opened:
        code = libraries()
        opened = [link for link in opened if link not in code]
    if opened:
        return 'its import opens {}'.format(', '.join(sorted(opened)))
    return None


def libraries():
    """Files that are mapped as code. One that keeps itself open, as libffi does under Python 3.14's ctypes, does so to
    map more of itself: a fork can do that, too."""
    with open('/proc/self/maps') as maps:
        fields = [line.rstrip('\n').split(None, 5) for line in maps]
    return {entry[5] for entry in fields if len(entry) == 6 and 'x' in entry[1] and os.path.isfile(entry[5])}


def quiet():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.close(null)
