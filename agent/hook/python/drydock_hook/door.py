"""The way into a process of the service that runs: for root and for its own user.

A signal whose handler was set before the first request. It can carry nothing, so the handler asks at the abstract socket of
whoever sent it what is wanted: one JSON line. Python runs it in the main thread between two bytecodes, in every kind of
server: a process that is inside compiled code comes later.

SIGRTMIN+11 ends a process that has no handler for it: who sends it looks at SigCgt in /proc/PID/status first.
"""
import json
import os
import signal
import socket
import struct

SIGNAL = signal.SIGRTMIN + 11
#: Seconds for the other end to say its line: it waits for us.
PATIENCE = 5.0
MAX_LINE = 1024 * 1024

#: What the agent has asked of captures last, and who does it: served.py, which is not imported from here, since we may be
#: amid an import of what it imports.
asked = begin = None


def name(pid):
    """Where the process `pid` asks what is wanted of it."""
    namespace = os.readlink('/proc/self/ns/mnt').strip('mnt:[]')
    return '\0drydock-door-{}-{}'.format(namespace, pid)


def install():
    """False outside the main thread, which alone may set handlers."""
    try:
        signal.signal(SIGNAL, open_door)
    except ValueError:
        return False
    return True


def open_door(*_):
    """Nothing that happens here may reach the code that was interrupted."""
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(PATIENCE)
            connection.connect(name(os.getpid()))
            _, uid, _ = struct.unpack('3i', connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if uid in (0, os.geteuid()):
                serve(connection)
        finally:
            connection.close()
    except Exception:
        pass  # whoever knocked is gone


def serve(connection):
    global asked
    wanted = json.loads(read_line(connection))
    if wanted['do'] == 'repl':
        from . import repl
        repl.fork(connection, wanted)
    elif wanted['do'] == 'debug':
        from . import debugger
        try:
            answer = debugger.listen(wanted['bundled'])
        except Exception as error:
            answer = {'error': '{}: {}'.format(type(error).__name__, error)}
        connection.sendall(json.dumps(answer).encode('ascii') + b'\n')
    elif wanted['do'] == 'capture':
        asked = wanted
        connection.sendall(b'%d\n' % (0 if begin is None else begin(wanted)))


def read_line(connection):
    data = b''
    while not data.endswith(b'\n') and len(data) < MAX_LINE:
        part = connection.recv(65536)
        if not part:
            break
        data += part
    return data.decode('utf-8')
