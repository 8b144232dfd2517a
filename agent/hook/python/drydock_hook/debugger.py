"""debugpy in this process: the image's own, or the one that the kit brings for this Python.

`bundled` is the kit's folder of archives, each named after the first Python that it is for: `3.8.zip`; and of their
libraries, `3.8.attach_linux_amd64.so`.
"""
import os
import sys
import tempfile
import threading

#: What `listen` answered before, and in which process.
listening = None


def listen(bundled):
    """{'port', 'version', 'own'}: where an adapter of this process listens on the loopback. The same again when asked again.

    It cannot be ended before the process is: debugpy has no way.
    """
    global listening
    if listening is not None and listening[0] == os.getpid():
        return listening[1]
    debugpy, own = load(bundled)
    debugpy.configure(subProcess=False)
    _, port = debugpy.listen(('127.0.0.1', 0))
    answer = {'port': port, 'version': debugpy.__version__, 'own': own}
    listening = os.getpid(), answer
    return answer


def wait(seconds):
    """Until a client has attached and set its breakpoints. Returns whether one came."""
    import debugpy
    late = threading.Timer(seconds, give_up)
    late.daemon = True
    late.start()
    debugpy.wait_for_client()
    late.cancel()
    return debugpy.is_client_connected()


def give_up():
    import debugpy
    try:
        debugpy.wait_for_client.cancel()
    except RuntimeError:
        pass  # it has not begun to wait


def leave():
    """In a fork: a breakpoint would hold it for ever, since the debugger's connection is the other process's."""
    tracing = sys.modules.get('pydevd_tracing')
    try:
        tracing.restore_sys_set_trace_func()  # sys.settrace is Python's own again
    except AttributeError:
        pass
    sys.settrace(None)
    threading.settrace(None)
    monitoring = getattr(sys, 'monitoring', None)
    if monitoring is None or monitoring.get_tool(monitoring.DEBUGGER_ID) is None:
        return
    monitoring.set_events(monitoring.DEBUGGER_ID, 0)
    for event in vars(monitoring.events).values():
        if isinstance(event, int) and event:
            try:
                monitoring.register_callback(monitoring.DEBUGGER_ID, event, None)
            except ValueError:
                pass  # it is of no callback's kind


def load(bundled):
    """(module, whether it is the image's own)"""
    try:
        import debugpy
        debugpy.listen
        return debugpy, True
    except (ImportError, AttributeError):
        for name in [name for name in sys.modules if name.split('.')[0] == 'debugpy']:
            del sys.modules[name]  # a folder of that name is none
    folder = unpack(archive_for(bundled, sys.version_info[:2]))
    sys.path.append(folder)
    # Its bytecode lies beside it, in memory; else each worker compiles it anew, a second each.
    wrote, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        import debugpy
    finally:
        sys.dont_write_bytecode = wrote
    return debugpy, False


def archive_for(bundled, version):
    found = {}
    for name in os.listdir(bundled) if os.path.isdir(bundled) else ():
        first, kind = os.path.splitext(name)
        if kind == '.zip':
            found[tuple(int(part) for part in first.split('.'))] = os.path.join(bundled, name)
    fitting = [first for first in found if first <= version]
    if not fitting:
        raise RuntimeError('the image has no debugpy, and the kit has none for Python {}.{}'.format(*version))
    return found[max(fitting)]


def unpack(archive):
    """A folder with what is in it, this user's own. In memory where there is /dev/shm: no commit takes that."""
    import zipfile
    stat = os.stat(archive)
    label = 'drydock-debugpy-{}-{}-{}'.format(os.geteuid(), os.path.basename(archive)[:-4], int(stat.st_mtime))
    base = '/dev/shm' if os.access('/dev/shm', os.W_OK) else tempfile.gettempdir()
    folder = os.path.join(base, label)
    if is_ours(folder):
        return folder
    made = tempfile.mkdtemp(prefix=label + '-', dir=base)  # mode 0700
    with zipfile.ZipFile(archive) as file:
        file.extractall(made)
    link_libraries(archive, made)
    try:
        os.rename(made, folder)
        return folder
    except OSError:  # another worker was first, or the name is somebody else's
        if not is_ours(folder):
            return made
        import shutil
        shutil.rmtree(made, ignore_errors=True)
        return folder


def link_libraries(archive, folder):
    """They stay in the kit: engines mount /dev/shm so that nothing in it can be executed."""
    libraries = os.path.join(folder, 'debugpy', '_vendored', 'pydevd', 'pydevd_attach_to_process')
    os.mkdir(libraries)
    kit, label = os.path.split(archive[:-len('zip')])
    for name in os.listdir(kit):
        if name.startswith(label) and name.endswith('.so'):
            os.symlink(os.path.join(kit, name), os.path.join(libraries, name[len(label):]))


def is_ours(folder):
    try:
        stat = os.lstat(folder)
    except OSError:
        return False
    return os.path.isdir(folder) and not os.path.islink(folder) and stat.st_uid == os.geteuid() and not stat.st_mode & 0o77
