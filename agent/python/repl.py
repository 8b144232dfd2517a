"""Lends this terminal to a fork of a process of the service: `{"pid", "entries", "code"}`.

The terminal stays this process's: what its keys mean (Ctrl-C, a new size) comes here as signals and is passed on.
"""
import array
import json
import os
import signal
import socket
import sys

from knock import Refused, door, knock


def main():
    spec = json.loads(sys.argv[1])
    try:
        connection = knock(spec['pid'], dict(spec, do='repl'))
    except (Refused, OSError) as error:
        sys.exit('drydock: {}'.format(error))
    told = connection.makefile('r')
    fork = told.readline().strip()
    if not fork:
        sys.exit('drydock: process {} could not be forked'.format(spec['pid']))
    connection.sendmsg([b'!'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0, 1, 2]))])
    for number in (signal.SIGINT, signal.SIGWINCH, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, lambda got, _: pass_on(int(fork), got))
    code = told.readline().strip()
    if not code:
        print('drydock: the fork was killed', file=sys.stderr)
    sys.exit(int(code) if code else 1)


def pass_on(pid, number):
    try:
        os.kill(pid, number)
    except OSError:
        pass  # it has just ended


main()
