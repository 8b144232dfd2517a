"""Applications that uvicorn serves in a process that no hook has forked: captured while an agent listens that has asked for it.

Each message is a connection of its own to the agent's abstract socket: the kernel keeps what it says until the agent reads,
so that no request ever waits for it, and where nobody listens any more the capture ends.
"""
import os
import socket
import struct
import weakref

from . import asgi, door, failure
from .requests import Teller

#: Around each application that was loaded; without a teller requests pass.
captures = weakref.WeakSet()
#: How the agent is told; None while none has asked.
teller = None
agent = None


def capture(app):
    if not asgi.is_asgi(app):
        return app
    around = asgi.Capture(app, teller)
    captures.add(around)
    if agent is not None:
        agent.say(b'"serves": %d' % os.getpid())
    return around


def begin(wanted):
    """As the door was told: {'name', 'key', 'root', 'entry', 'variables', 'redact'}. Returns how many applications there are."""
    global agent
    agent = Agent(wanted['name'], wanted['key'])
    look = failure.UserFiles(wanted['root'], wanted['entry']), failure.OWN, wanted['variables'], wanted['redact']
    tell_by(Teller(lambda data, to=agent: to.say(b'"captured": ' + data), look))
    return len(captures)


def tell_by(wanted):
    global teller
    teller = wanted
    for one in captures:
        one.teller = wanted


class Agent(object):
    def __init__(self, name, key):
        self.name = '\0' + name
        self.key = key.encode('ascii')

    def say(self, data):
        global agent
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.connect(self.name)
            _, uid, _ = struct.unpack('3i', connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if uid in (0, os.geteuid()):
                connection.send(b'{"key": "%s", %s}' % (self.key, data))  # less than a socket's buffer
        except ConnectionRefusedError:
            if agent is self:
                agent = None
                tell_by(None)
        except OSError:
            pass  # it is busy: the next one will do
        finally:
            connection.close()


def ready():
    """The door leads here from now on; whoever came to it before is heard now."""
    door.begin = begin
    if door.asked is not None:
        begin(door.asked)


ready()
