"""Boots a scoring service's code as its worker would, in a process of its own, and tells how far it came.

Run by the worker's interpreter (3.8 and later) with the worker's folder, environment and user:

    python boot.py '{"program": {"kind": "script"|"module"|"app"|"file", "name": str, "folder": str},
                     "args": [str, ...], "entry": str|null, "root": str, "asks": bool}'

It runs the server's own program with the server's own arguments, up to the point at which gunicorn's master would
start workers, and loads the application there instead. So the environment, the import path and the server's patches
are what the worker has. JSON lines on descriptor 3 say which stage begins (`{"stage": ...}`) and how it ended
(`{"ready": ...}` or `{"failed": ...}`); after the last one it waits to be killed, so that no atexit handler of the
user's code ever runs. Where it `asks`, a request comes on stdin as a line of JSON, and the WSGI application's answer is
told: `{"answered": {"status", "answer", "again"}}`.
"""
import importlib
import importlib.util
import json
import os
import runpy
import signal
import sys
import traceback

MAX_FRAMES = 60
MAX_TEXT = 64 * 1024


class Report(object):
    """The agent's end of descriptor 3."""

    def __init__(self, descriptor, entry, root):
        os.set_inheritable(descriptor, False)
        self.descriptor = descriptor
        self.pid = os.getpid()
        self.entry = entry and os.path.realpath(entry)
        self.root = os.path.realpath(root)

    def say(self, **event):
        if os.getpid() != self.pid:
            return  # a child that the user's code forked
        line = json.dumps(event).encode('ascii') + b'\n'
        while line:
            line = line[os.write(self.descriptor, line):]

    def stage(self, name):
        self.say(stage=name)

    def ready(self):
        self.say(ready={'files': self.loaded()})
        self.wait()

    def failed(self, error):
        self.say(failed=self.describe(unwrap(error)))
        self.wait()

    def wait(self):
        if os.getpid() != self.pid:
            return
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:  # the user's code may have closed or replaced it
                pass
        while True:
            signal.pause()

    def loaded(self):
        """Source files under the root that were imported."""
        files = [getattr(module, '__file__', None) for module in list(sys.modules.values())]
        return sorted({name for name in files if isinstance(name, str) and self.is_user(name)} | {self.entry} - {None})

    def is_user(self, name):
        path = os.path.realpath(name)
        if path == self.entry:
            return True
        parts = path.split(os.sep)
        return path.startswith(self.root + os.sep) and 'site-packages' not in parts and 'dist-packages' not in parts

    def describe(self, error):
        trace = error.__traceback__
        while trace is not None and not self.is_user(trace.tb_frame.f_code.co_filename):
            trace = trace.tb_next  # the server's own frames above the user's
        if trace is None:
            trace = error.__traceback__
            while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
                trace = trace.tb_next
        frames = [
            {'file': f.filename, 'line': f.lineno or 0, 'function': f.name, 'code': f.line or None,
             'user': self.is_user(f.filename)}
            for f in traceback.extract_tb(trace)
            if not f.filename.startswith('<frozen ')
        ]
        message = text_of(error)
        if isinstance(error, SyntaxError):
            message = str(error.msg)
            if error.filename:
                frames.append({'file': error.filename, 'line': error.lineno or 0, 'function': '<module>',
                               'code': error.text and error.text.strip(), 'user': self.is_user(error.filename)})
        if len(frames) > MAX_FRAMES:
            frames = frames[:MAX_FRAMES // 2] + frames[-MAX_FRAMES // 2:]
        try:
            text = ''.join(without_importlib(traceback.TracebackException(type(error), error, trace)).format())
        except Exception:  # an exception of the user's may not be printable
            text = '{}: {}'.format(type(error).__name__, message)
        return {'type': type(error).__name__, 'message': message[:MAX_TEXT], 'traceback': text[-MAX_TEXT:],
                'frames': frames, 'init': any(f['user'] and f['function'] == 'init' for f in frames)}


def without_importlib(shown):
    shown.stack = traceback.StackSummary.from_list([f for f in shown.stack if not f.filename.startswith('<frozen ')])
    for earlier in (shown.__cause__, shown.__context__):
        if earlier is not None:
            without_importlib(earlier)
    return shown


def text_of(error):
    try:
        message = getattr(error, 'message', None)  # azureml's str() is a page
        return message if isinstance(message, str) and message else str(error)
    except Exception:
        return '(its message could not be made)'


def unwrap(error):
    """What the user's code raised, out of what the server made of it (an exit code, a UserScriptException)."""
    while True:
        inner = getattr(error, 'user_ex', None)
        if inner is None and isinstance(error, SystemExit):
            inner = error.__context__
        if not isinstance(inner, BaseException) or inner is error:
            return error
        error = inner


def check(entry, report):
    """The stages before anything is run."""
    report.stage('find')
    if entry is None:
        return
    with open(entry, 'rb') as file:
        source = file.read()
    report.stage('compile')
    compile(source, entry, 'exec', dont_inherit=True)


def watch_user_script(report):
    """azmlinfsrv's UserScript tells where import ends and init() begins (server/user_script.py)."""
    from azureml_inference_server_http.server.user_script import UserScript
    load_script, invoke_init = UserScript.load_script, UserScript.invoke_init

    def load(self, *args, **kwargs):
        try:
            load_script(self, *args, **kwargs)
        except BaseException as error:
            report.failed(error)

    def init(self, *args, **kwargs):
        report.stage('init')
        try:
            invoke_init(self, *args, **kwargs)
        except BaseException as error:
            report.failed(error)  # here, before the server sends it to App Insights and waits for the upload

    UserScript.load_script, UserScript.invoke_init = load, init


def read_request():
    """The request on stdin, which is empty for the user's code."""
    with open(0, 'rb', closefd=False) as file:
        line = file.readline()
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    return json.loads(line.decode('ascii'))


def answer(app, request, report):
    """Twice: who answers otherwise each time is not to be compared."""
    report.stage('gate')
    hook = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), 'hook')
    sys.path.insert(0, hook)
    try:
        from drydock_hook import requests
    finally:
        sys.path.remove(hook)
    (status, body, _), (again, second, _) = (requests.replay(app, request) for _ in range(2))
    report.say(answered={'status': status, 'answer': requests.text(body[:requests.MAX_ANSWER]),
                         'again': again == status and second == body})


def boot_gunicorn(program, args, report, request):
    from gunicorn import arbiter, util
    from gunicorn.app import base

    load = base.BaseApplication.wsgi

    def wsgi(app):
        try:
            if str(getattr(app, 'app_uri', '')).startswith('azureml_inference_server_http.'):
                watch_user_script(report)
            return load(app)
        except BaseException as error:
            report.failed(error)

    def run(master):
        report.say(server={'preload': bool(master.cfg.preload_app)})
        app = master.app.wsgi()
        if request is not None:
            try:
                answer(app, request, report)
            except BaseException as error:
                report.failed(error)
        report.ready()

    util.daemonize = lambda *args, **kwargs: None
    base.BaseApplication.wsgi = wsgi
    arbiter.Arbiter.run = run
    run_program(program, args)


def run_program(program, args):
    safe = getattr(sys.flags, 'safe_path', False) or sys.flags.isolated
    if program['kind'] == 'module':
        sys.argv = [program['name']] + args
        if not safe:
            sys.path.insert(0, os.getcwd())
        runpy.run_module(program['name'], run_name='__main__', alter_sys=True)
    else:
        sys.argv = [program['name']] + args
        if not safe:
            sys.path.insert(0, os.path.dirname(os.path.realpath(program['name'])))
        runpy.run_path(program['name'], run_name='__main__')


def boot_module(module, report):
    """A service without gunicorn: imports its module, and calls init() where there is one."""
    init = getattr(module(), 'init', None)
    if callable(init):
        report.stage('init')
        init()
    report.ready()


def load_file(path):
    sys.path.insert(0, os.path.dirname(path))
    spec = importlib.util.spec_from_file_location('entry_module', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_app(name, folder):
    sys.path.insert(0, folder)
    return importlib.import_module(name.split(':')[0])


def main():
    spec = json.loads(sys.argv[1])
    program, args, entry = spec['program'], spec['args'], spec['entry']
    report = Report(3, entry, spec['root'])
    request = read_request() if spec['asks'] else None
    here = os.path.dirname(os.path.realpath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.realpath(path) != here]
    try:
        check(entry, report)
        report.stage('import')
        if program['kind'] == 'app':
            boot_module(lambda: load_app(program['name'], program['folder']), report)
        elif program['kind'] == 'file':
            boot_module(lambda: load_file(program['name']), report)
        else:
            boot_gunicorn(program, args, report, request)
        raise RuntimeError('the server ended before it loaded the application')
    except BaseException as error:
        report.failed(error)


main()
