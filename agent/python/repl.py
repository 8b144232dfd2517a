"""Lends this terminal to a fork of a process of the service: `{"pid", "entries", "code", "json"}`.

The terminal stays this process's: what its keys mean (Ctrl-C, a new size) comes here as signals and is passed on.

With "json" the fork writes to a pipe instead, and one object is printed at its end: "printed", whether that is "cut", and
the "value" of the last expression and the "error" as the fork has told them.
"""
import array
import json
import os
import select
import signal
import socket
import sys

from knock import Refused, door, knock

#: Bytes that are kept of what the code prints, and of what the fork tells.
MAX_PRINTED = 1024 * 1024
MAX_TOLD = 8 * 1024 * 1024


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
    lent, printed = [0, 1, 2], None
    if spec['json']:
        printed, writer = os.pipe()
        lent = [0, writer, writer]
    connection.sendmsg([b'!'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', lent))])
    if printed is not None:
        os.close(writer)
    for number in (signal.SIGINT, signal.SIGWINCH, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, lambda got, _: pass_on(int(fork), got))
    code = told.readline().strip() if printed is None else gathered(connection, printed)
    if not code and printed is None:
        print('drydock: the fork was killed', file=sys.stderr)
    sys.exit(int(code) if code else 1)


def gathered(connection, printed):
    """Prints the object. Returns the fork's exit code as it was told, empty where it was not."""
    told, kept, open_ends = b'', b'', [connection, printed]
    # At the end what was printed is in the pipe; its other end may be held for ever by what the code has started.
    while connection in open_ends or printed in open_ends and len(kept) <= MAX_PRINTED:
        ready, _, _ = select.select(open_ends, [], [], None if connection in open_ends else 0)
        if printed in ready:
            part = os.read(printed, 65536)
            kept = (kept + part)[:MAX_PRINTED + 1]
            if not part:
                open_ends.remove(printed)
        if connection in ready:
            part = connection.recv(65536)
            told += part
            if not part or told.count(b'\n') == 2 or len(told) > MAX_TOLD:
                open_ends.remove(connection)
        if not ready:
            break
    lines = told.decode('ascii').splitlines()
    whole = len(lines) == 2
    killed = {'type': 'Killed', 'message': 'the fork was killed', 'traceback': ''}
    answer = json.loads(lines[0]) if whole else {'value': None, 'error': killed}
    shown = kept[:MAX_PRINTED].decode('utf-8', 'replace')
    print(json.dumps(dict(answer, printed=shown, cut=len(kept) > MAX_PRINTED)))
    return lines[1] if whole else ''


def pass_on(pid, number):
    try:
        os.kill(pid, number)
    except OSError:
        pass  # it has just ended


main()
