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

#: Around each application that was loaded.
captures = weakref.WeakSet()
#: Who has asked last; None while nobody has. The door may open between any two bytecodes, so this one name is all that changes.
agent = None


class Capture(asgi.Capture):
    def __init__(self, app):
        self.app = app

    @property
    def teller(self):
        asked = agent
        return None if asked is None else asked.teller


def capture(app):
    if not asgi.is_asgi(app):
        return app
    around = Capture(app)
    captures.add(around)  # who asks from now on counts it
    asked = agent
    if asked is not None:
        asked.say(b'"serves": %d' % os.getpid())
    return around


def begin(wanted):
    """As the door was told: {'name', 'key', 'root', 'entry', 'variables', 'redact'}. Returns how many applications there are."""
    global agent
    agent = Agent(wanted)
    return len(captures)


class Agent(object):
    """Who is told; `teller` is None once it listens no more."""

    def __init__(self, wanted):
        self.name = '\0' + wanted['name']
        self.key = wanted['key'].encode('ascii')
        look = failure.UserFiles(wanted['root'], wanted['entry']), failure.OWN, wanted['variables'], wanted['redact']
        self.teller = Teller(lambda data: self.say(b'"captured": ' + data), look)

    def say(self, data):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.connect(self.name)
            _, uid, _ = struct.unpack('3i', connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if uid in (0, os.geteuid()):
                connection.send(b'{"key": "%s", %s}' % (self.key, data))  # less than a socket's buffer
        except ConnectionRefusedError:
            self.teller = None
        except OSError:
            pass  # it is busy: the next one will do
        finally:
            connection.close()


def ready():
    """The door leads here from now on; whoever came to it before is heard now."""
    door.begin = begin
    asked = None
    while asked is not door.asked:
        asked = door.asked
        begin(asked)


ready()
