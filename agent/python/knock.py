"""Asks something of a process of the service through its door (drydock_hook/door.py). Run as its user."""
import errno
import json
import os
import socket
import struct
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'hook'))

from drydock_hook import door  # noqa: E402

#: Seconds: a worker that is inside compiled code hears nothing before it returns to Python.
PATIENCE = 20.0


class Refused(Exception):
    pass


def knock(pid, wanted, patience=PATIENCE):
    """The connection to it, with the line said. Raises Refused."""
    if not has_door(pid):
        raise Refused('process {} has no door'.format(pid))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bind(listener, pid, patience)
        listener.listen(1)
        listener.settimeout(patience)
        os.kill(pid, door.SIGNAL)
        while True:
            try:
                connection, _ = listener.accept()
            except socket.timeout:
                raise Refused('process {} did not answer in {:g} s: it is inside compiled code, or stopped'.format(pid, patience))
            peer, _, _ = struct.unpack('3i', connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if peer == pid:
                break
            connection.close()
    finally:
        listener.close()
    connection.settimeout(None)
    connection.sendall(json.dumps(wanted).encode('ascii') + b'\n')
    return connection


def bind(listener, pid, patience):
    end = time.monotonic() + patience
    while True:
        try:
            return listener.bind(door.name(pid))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if time.monotonic() > end:
                raise Refused('somebody else is at process {} in this moment: try again'.format(pid))
            time.sleep(0.05)


def has_door(pid):
    try:
        with open('/proc/{}/status'.format(pid)) as file:
            caught = next(line for line in file if line.startswith('SigCgt:'))
    except (OSError, StopIteration):
        return False
    return bool(int(caught.split()[1], 16) >> (door.SIGNAL - 1) & 1)
