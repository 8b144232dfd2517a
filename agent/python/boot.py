"""Boots a scoring service's code as its worker would, in a process of its own, and tells how far it came.

Run by the worker's interpreter (3.8 and later) with the worker's folder, environment and user:

    python boot.py '{"program": {"kind": "script"|"module"|"app"|"file", "name": str, "folder": str},
                     "args": [str, ...], "entry": str|null, "root": str, "asks": int}'

It runs the server's own program with the server's own arguments, up to the point at which gunicorn's master would
start workers, and loads the application there instead. So the environment, the import path and the server's patches
are what the worker has. JSON lines on descriptor 3 say which stage begins (`{"stage": ...}`) and how it ended
(`{"ready": ...}` or `{"failed": ...}`); after the last one it waits to be killed, so that no atexit handler of the
user's code ever runs. Where it `asks`, so many times, a request comes on stdin as a line of JSON, and the WSGI application's
answer is told: `{"answered": {"status", "answer", "again", "failure"}}`; without gunicorn, what run() makes of the body.
"""
import base64
import importlib
import importlib.util
import json
import os
import runpy
import signal
import sys


def load_of_hook(name):
    """A module of the hook's, which lies beside us in the kit: by its path, since the user's imports must not come upon it."""
    path = os.path.join(os.path.dirname(os.path.realpath(__file__)), '..', 'hook', 'drydock_hook', name + '.py')
    spec = importlib.util.spec_from_file_location('drydock_' + name, path)
    module = importlib.util.module_from_spec(spec)
    wrote, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = wrote
    return module


failure, variables = load_of_hook('failure'), load_of_hook('variables')


class Report(object):
    """The agent's end of descriptor 3."""

    def __init__(self, descriptor, entry, root):
        os.set_inheritable(descriptor, False)
        self.descriptor = descriptor
        self.pid = os.getpid()
        self.user = failure.UserFiles(root, entry)
        hook = os.path.dirname(failure.__file__)
        self.own = (__file__,) + tuple(os.path.join(hook, name) for name in ('raised.py', 'replay.py'))

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
        self.say(failed=self.describe(error))
        self.wait()

    def describe(self, error):
        return failure.describe(failure.unwrap(error), self.user, self.own, variables.Variables())

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
        return sorted({name for name in files if isinstance(name, str) and name in self.user} | {self.user.entry} - {None})


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


def answer(app, request, times, report):
    """Asked twice, it is told whether that made a difference: who answers otherwise each time is not to be compared."""
    report.stage('gate')
    replay = load_of_hook('replay')
    with load_of_hook('raised').Watch() as watch:
        answers = [replay.replay(app, request)[:2] for _ in range(times)]
    status, body = answers[0]
    error = watch.error if status[:1] == '5' else None
    report.say(answered={'status': status, 'answer': replay.text(body[:replay.MAX_ANSWER]), 'again': answers[0] == answers[-1],
                         'failure': None if error is None else report.describe(error)})


def boot_gunicorn(program, args, report, request, times):
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
                answer(app, request, times, report)
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


def boot_module(module, report, request):
    """A service without gunicorn: imports its module, calls init() where there is one, and run() where it is asked."""
    loaded = module()
    init, run = getattr(loaded, 'init', None), getattr(loaded, 'run', None)
    if callable(init):
        report.stage('init')
        init()
    if request is not None and callable(run):
        ask_run(run, request, report)
    report.ready()


def ask_run(run, request, report):
    report.stage('gate')
    replay = load_of_hook('replay')
    body = base64.b64decode(request['body']).decode('utf-8', 'replace')
    told = {'status': '200 OK', 'again': True, 'failure': None}
    try:
        value = run(body)
        text = value if isinstance(value, str) else json.dumps(value, default=str)
    except Exception as error:
        text = str(error)
        told.update(status='500 Internal Server Error', failure=report.describe(error))
    report.say(answered=dict(told, answer=replay.text(text.encode('utf-8', 'replace')[:replay.MAX_ANSWER])))


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
    request = read_request() if spec['asks'] > 0 else None
    here = os.path.dirname(os.path.realpath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.realpath(path) != here]
    try:
        check(entry, report)
        report.stage('import')
        if program['kind'] == 'app':
            boot_module(lambda: load_app(program['name'], program['folder']), report, request)
        elif program['kind'] == 'file':
            boot_module(lambda: load_file(program['name']), report, request)
        else:
            boot_gunicorn(program, args, report, request, spec['asks'])
        raise RuntimeError('the server ended before it loaded the application')
    except BaseException as error:
        report.failed(error)


main()
