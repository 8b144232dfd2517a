"""A Python prompt in a fork of the process: what it has loaded is there, and nothing that is done there reaches it.

Its terminal is that of whoever asked, who hands it over as descriptors (SCM_RIGHTS) and passes signals on, since the
terminal is not this process's own: `agent/python/repl.py`.
"""
import array
import builtins
import gc
import json
import os
import signal
import socket
import stat
import sys
import types

from . import debugger, failure, forked

#: Characters of a value, a message or a traceback that are told to a program.
MAX_TEXT = 256 * 1024


def fork(connection, wanted):
    """In the process that serves. It goes on at once: the fork is an orphan's child, so that nobody here has to reap it."""
    child = os.fork()
    if child:
        try:
            os.waitpid(child, 0)
        except OSError:
            pass  # SIGCHLD is ignored here
        return
    code = 1
    try:
        if os.fork():
            os._exit(0)
        code = run(connection, wanted)
    except BaseException:
        code = 1
    finally:
        try:
            forked.flush()
            connection.sendall('{}\n'.format(code).encode('ascii'))
        finally:
            os._exit(code)  # neither atexit handlers nor gunicorn's loop


def run(connection, wanted):
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGABRT, signal.SIGALRM,
                   signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.set_wakeup_fd(-1)
    debugger.leave()
    forked.die_first_when_memory_is_short()
    connection.settimeout(None)
    # Said first: descriptors that come before they are waited for are read with the line before them, and lost.
    connection.sendall('{}\n'.format(os.getpid()).encode('ascii'))
    given = receive(connection)
    close_sockets(connection.fileno(), given)
    for number, descriptor in enumerate(given):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin, sys.stdout, sys.stderr = open(0, closefd=False), open(1, 'w', 1, closefd=False), open(2, 'w', 1, closefd=False)
    builtins.print = show  # azmlinfsrv puts a logger in its place
    names, where = namespace(wanted['entries'])
    if wanted.get('code') is not None:
        code, value, error = execute(wanted['code'], names)
        if wanted.get('json'):
            connection.sendall(json.dumps({'value': cut(value), 'error': error and {
                'type': error['type'], 'message': cut(error['message']), 'traceback': error['traceback'][-MAX_TEXT:],
            }}).encode('ascii') + b'\n')
        elif error is not None:
            sys.stderr.write(error['traceback'])
        elif value is not None:
            show(value)
        return code
    return interact(names, where, wanted['pid'])


def receive(connection):
    descriptors = array.array('i')
    _, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_LEN(3 * descriptors.itemsize))
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[:len(data) - len(data) % descriptors.itemsize])
    # Ours must not be what is put in their place.
    import fcntl
    high = [fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in descriptors]
    for one in descriptors:
        os.close(one)
    return high


def close_sockets(own, given):
    """A listening socket would outlive the service, and of a connection to a database both would speak."""
    for name in os.listdir('/proc/self/fd'):
        number = int(name)
        try:
            if number != own and number not in given and stat.S_ISSOCK(os.fstat(number).st_mode):
                os.close(number)
        except OSError:
            pass


def namespace(entries):
    """The globals of the script that serves, and its path; servers load it under names of their own, or under none."""
    loaded = {}
    for module in gc.get_objects():
        if isinstance(module, types.ModuleType):
            file = vars(module).get('__file__')
            if isinstance(file, str):
                loaded.setdefault(os.path.realpath(file), module)
    for entry in entries:
        module = loaded.get(os.path.realpath(entry))
        if module is not None:
            return vars(module), entry
    return {'__name__': '__console__'}, None


def execute(code, names):
    """Exit code, the last expression's value as a prompt shows it, and what was raised."""
    import ast
    import traceback
    try:
        tree = ast.parse(code, '<repl>')
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, '<repl>', 'exec'), names)
        value = last and eval(compile(ast.Expression(last.value), '<repl>', 'eval'), names)
        return 0, None if value is None else repr(value), None
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0 if error.code is None else 1, None, None
    except BaseException as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        text = ''.join(traceback.format_exception(type(error), error, trace))
        return 1, None, {'type': type(error).__name__, 'message': failure.text_of(error), 'traceback': text}


def cut(text):
    return text if text is None or len(text) <= MAX_TEXT else text[:MAX_TEXT - 1] + u'\u2026'


def show(*values, sep=' ', end='\n', file=None, flush=False):
    file = sys.stdout if file is None else file
    file.write((' ' if sep is None else sep).join(str(value) for value in values) + ('\n' if end is None else end))
    if flush:
        file.flush()


def interact(names, where, pid):
    import code
    try:
        import readline
        import rlcompleter
        readline.set_completer(rlcompleter.Completer(names).complete)
        readline.parse_and_bind('tab: complete')
    except ImportError:
        pass  # a Python that was built without it
    of = 'no module of the entry script was found' if where is None else 'the names of {}'.format(where)
    banner = 'Python {} in a fork of worker {}: {}. The service does not see what you do here. Ctrl-D ends it.'.format(
        sys.version.split()[0], pid, of)
    sys.ps1, sys.ps2 = '>>> ', '... '
    try:
        code.InteractiveConsole(names).interact(banner, exitmsg='')
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0
    return 0
