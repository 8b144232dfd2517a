"""JSON lines with the agent over an abstract Unix socket, without a thread and without blocking.

The kernel wakes the master: a descriptor that becomes ready sends SIGCHLD (F_SETSIG), which ends the wait of gunicorn's
loop in every version (19.9 to 27), and the loop then polls.

`--network host` shares abstract names with the host, so the peer's uid is looked at: root, or the master's own.
"""
import fcntl
import json
import os
import signal
import socket
import struct

MAX_LINE = 32 * 1024 * 1024
MAX_UNSENT = 32 * 1024 * 1024


def name():
    """As agent/hook/channel.ts computes it."""
    namespace = os.readlink('/proc/self/ns/mnt').strip('mnt:[]')
    return '\0drydock-hook-{}-{}'.format(namespace, os.getpid())


def requests_name():
    """Where workers tell of requests: by name, so that those of a hook that was taken out reach the next one."""
    return name() + '-requests'


def wake_on(descriptor):
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, 10, signal.SIGCHLD)  # F_SETSIG, which Python 3.8 does not name
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_NONBLOCK | os.O_ASYNC)


class Requests(object):
    """Datagrams from the workers, of our own user alone."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.setblocking(False)
        self.socket.bind(requests_name())
        wake_on(self.socket.fileno())

    def read(self):
        """The next one; None when there is none."""
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(512 * 1024, socket.CMSG_SPACE(12))
            except (BlockingIOError, InterruptedError):
                return None
            for level, kind, told in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                    if struct.unpack('3i', told[:12])[1] in (0, os.geteuid()):
                        return data

    def close(self):
        self.socket.close()


class Lines(object):
    """JSON lines from a worker's report pipe."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.rest = []
        self.ended = False
        wake_on(descriptor)

    def read(self):
        events = []
        while not self.ended:
            try:
                data = os.read(self.descriptor, 262144)
            except (BlockingIOError, InterruptedError):
                break
            if not data:
                self.ended = True
                break
            self.rest.append(data)
            if b'\n' not in data:
                continue  # the report of large sources is one line of megabytes
            lines = b''.join(self.rest).split(b'\n')
            self.rest = [lines.pop()]
            for line in lines:
                try:
                    events.append(json.loads(line.decode('ascii')))
                except ValueError:
                    pass  # the user's code wrote to the descriptor
        return events

    def close(self):
        os.close(self.descriptor)


class Channel(object):
    def __init__(self, on_message, on_agent, on_gone):
        self.on_message, self.on_agent, self.on_gone = on_message, on_agent, on_gone
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(name())
        self.listener.listen(4)
        wake_on(self.listener.fileno())
        self.agent = None
        self.received = []
        self.unsent = b''

    def poll(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                break
            _, uid, _ = struct.unpack('3i', peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if uid not in (0, os.geteuid()):
                peer.close()
                continue
            self.drop()  # one agent: the newest
            wake_on(peer.fileno())
            self.agent = peer
            self.on_agent()
        self.flush()
        while self.agent is not None:
            try:
                data = self.agent.recv(65536)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                data = b''
            if not data or sum(map(len, self.received)) > MAX_LINE:
                self.drop()
                break
            self.received.append(data)
            if b'\n' not in data:
                continue
            lines = b''.join(self.received).split(b'\n')
            self.received = [lines.pop()]
            for line in lines:
                self.on_message(json.loads(line.decode('utf-8')))

    def say(self, **message):
        if self.agent is None:
            return
        self.unsent += json.dumps(message).encode('ascii') + b'\n'
        if len(self.unsent) > MAX_UNSENT:
            self.drop()
        self.flush()

    def flush(self):
        while self.agent is not None and self.unsent:
            try:
                self.unsent = self.unsent[self.agent.send(self.unsent[:262144]):]
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.drop()

    def drop(self):
        if self.agent is None:
            return
        self.agent.close()
        self.agent = None
        self.received, self.unsent = [], b''
        self.on_gone()

    def close(self):
        """Also in a worker, which has them from the fork: a shutdown would end the master's, a close does not."""
        if self.agent is not None:
            self.agent.close()
            self.agent = None
        self.listener.close()
