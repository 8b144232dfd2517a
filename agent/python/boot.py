"""Boots a scoring service's code as its worker would, in a process of its own, and tells how far it came.

Run by the worker's interpreter (3.8 and later) with the worker's folder, environment and user:

    python boot.py '{"program": {"kind": "script"|"module"|"app"|"file", "name": str, "folder": str},
                     "args": [str, ...], "entry": str|null, "root": str, "asks": bool, "profile": bool, "modules": bool}'

It runs the server's own program with the server's own arguments, up to the point at which gunicorn's master would
start workers, and loads the application there instead. So the environment, the import path and the server's patches
are what the worker has. JSON lines on descriptor 3 say which stage begins (`{"stage": ...}`), what a part took
(`{"span": ...}`), what has been loaded and how it can be asked (`{"loaded": ...}`), and how it ended (`{"ready": ...}` or
`{"failed": ...}`); after the last one it waits to be killed, so that no atexit handler of the user's code ever runs.

Where it `asks`, each line on stdin is a request, how often it is made and how much of the answer is wanted (bytes),
`{"request": ..., "times": int, "keeps": int}`, until stdin ends; to each the application's answer is told, without one what run() makes of the body:
`{"answered": {"status", "answer", "ms", "again", "failure", "raised"}}`.
"""
import base64
import importlib
import importlib.util
import inspect
import json
import os
import runpy
import signal
import sys
import time


HERE = os.path.dirname(os.path.realpath(__file__))
PAGE = os.sysconf('SC_PAGE_SIZE')
#: Characters of an example that is told.
MAX_EXAMPLE = 256 * 1024


def load_of_hook(name):
    """A module of the hook's, which lies beside us in the kit."""
    return load_own(name, os.path.join(HERE, '..', 'hook', 'drydock_hook', name + '.py'))


def load_own(name, path):
    """By its path, since the user's imports must not come upon it."""
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
        self.began = time.perf_counter()
        self.phase = 'server'
        self.profile = None
        self.tells_modules = False
        #: run(), as the server has it.
        self.run = None
        self.user = failure.UserFiles(root, entry)
        hook = os.path.dirname(failure.__file__)
        self.own = (__file__, os.path.join(HERE, 'boot_profile.py'), os.path.join(HERE, 'boot_asgi.py')) + tuple(
            os.path.join(hook, name) for name in ('raised.py', 'replay.py'))

    def say(self, **event):
        if os.getpid() != self.pid:
            return  # a child that the user's code forked
        line = json.dumps(event).encode('ascii') + b'\n'
        while line:
            line = line[os.write(self.descriptor, line):]

    def stage(self, name):
        self.say(stage=name)

    def span(self, name):
        return Span(self, name)

    def ready(self):
        self.say(ready={'files': self.loaded()})
        self.wait()

    def failed(self, error):
        self.costs()
        self.say(failed=self.describe(error))
        self.wait()

    def costs(self):
        """Of the whole boot, until now."""
        self.say(span={'name': 'all', 'seconds': time.perf_counter() - self.began, 'mb': resident() / 1e6})
        if self.profile is not None:
            self.say(profile=self.profile.told())
        if self.tells_modules:
            self.say(modules=sorted(name for name in list(sys.modules) if isinstance(name, str)))

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


class Span(object):
    """A part of the boot; what it took is told when it is over, however it ends."""

    def __init__(self, report, name):
        self.report, self.name = report, name

    def __enter__(self):
        self.outer, self.report.phase = self.report.phase, self.name
        self.began, self.resident = time.perf_counter(), resident()

    def __exit__(self, *_):
        self.report.say(span={'name': self.name, 'seconds': time.perf_counter() - self.began,
                              'mb': (resident() - self.resident) / 1e6})
        self.report.phase = self.outer


def resident():
    """Bytes."""
    with open('/proc/self/statm', 'rb') as file:
        return int(file.read().split()[1]) * PAGE


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
            with report.span('import'):
                load_script(self, *args, **kwargs)
        except BaseException as error:
            report.failed(error)
        report.run = getattr(self, '_user_run', None)

    def init(self, *args, **kwargs):
        report.stage('init')
        try:
            with report.span('init'):
                invoke_init(self, *args, **kwargs)
        except BaseException as error:
            report.failed(error)  # here, before the server sends it to App Insights and waits for the upload

    UserScript.load_script, UserScript.invoke_init = load, init


def take_stdin():
    """Requests come on it; for the user's code it is empty."""
    requests = os.fdopen(os.dup(0), 'rb')
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    return requests


def converse(requests, answer, report, asks):
    """`answer` makes (status, body, milliseconds) of a request; null where the code can't be asked in this process."""
    report.costs()
    report.say(loaded={'asks': answer is not None and asks, 'run': None if report.run is None else describe_run(report.run)})
    for line in requests or ():
        asked = json.loads(line.decode('ascii'))
        if answer is not None:
            tell_answer(answer, asked, report)
    report.ready()


def tell_answer(answer, asked, report):
    """Asked twice, it is told whether that made a difference: who answers otherwise each time is not to be compared."""
    report.stage('gate')
    replay = load_of_hook('replay')
    raised, answers = None, []
    with load_of_hook('raised').Watch() as watch:
        try:
            answers = [answer(asked['request']) for _ in range(asked['times'])]
        except BaseException as error:
            raised = error
    status, body, ms = answers[0] if raised is None else ('500 Internal Server Error', b'', 0)
    error = raised or (watch.error if status[:1] == '5' else None)
    report.say(answered={
        'status': status, 'answer': replay.text(body[:asked.get('keeps', replay.MAX_ANSWER)]), 'ms': ms,
        'again': raised is None and answers[0][:2] == answers[-1][:2],
        'failure': None if error is None else report.describe(error), 'raised': raised is not None})


def describe_run(run):
    """Its parameters through its decorators, and what inference-schema knows of them."""
    try:
        given = [one for one in inspect.signature(run).parameters.values() if one.name != 'request_headers']
    except (TypeError, ValueError):
        given = []
    code = getattr(inspect.unwrap(run), '__code__', None)
    names, example = None, None
    try:
        util = decorated(run)
        if util is not None:
            schema = util.get_input_schema(run)
            names = [str(name) for name in schema.get('properties', {})]
            example = json.dumps(schema['example']) if schema.get('example') else None
    except Exception:  # of a version that has it otherwise
        pass
    return {
        'parameters': [{'name': one.name, 'required': one.default is one.empty} for one in given],
        'schema': names,
        'example': example if example is not None and len(example) <= MAX_EXAMPLE else None,
        'place': None if code is None else {'file': code.co_filename, 'line': code.co_firstlineno},
        'raw': bool(getattr(sys.modules.get('azureml_inference_server_http.api.aml_request'), '_rawHttpRequested', False)),
    }


def decorated(run):
    """inference-schema's own module, where run() has its decorators."""
    util = sys.modules.get('inference_schema.schema_util')
    return util if util is not None and util.is_schema_decorated(run) else None


def run_of(entry):
    """run() of the entry script, where it was imported under whatever name."""
    for module in list(sys.modules.values()):
        name = getattr(module, '__file__', None)
        if entry is not None and isinstance(name, str) and os.path.realpath(name) == os.path.realpath(entry):
            found = getattr(module, 'run', None)
            return found if callable(found) else None
    return None


def boot_gunicorn(program, args, entry, report, requests):
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
        report.say(server={'preload': bool(master.cfg.preload_app), 'timeout': master.cfg.timeout})
        app = master.app.wsgi()
        report.run = report.run or run_of(entry)
        asgi = load_own('boot_asgi', os.path.join(HERE, 'boot_asgi.py'))
        if asgi.is_asgi(app):
            converse_asgi(requests, asgi, app, report)
        replay = load_of_hook('replay')
        converse(requests, lambda request: replay.replay(app, request), report, 'wsgi')

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


def converse_asgi(requests, asgi, app, report):
    """It is started only where it is asked."""
    converse(requests, None if requests is None else asgi.Application(app).answer, report, 'asgi')


def boot_module(module, name, report, requests):
    """A service without gunicorn: imports its module, calls init() where there is one. An ASGI application of that name is
    asked, else run()."""
    with report.span('import'):
        loaded = module()
    init, run = getattr(loaded, 'init', None), getattr(loaded, 'run', None)
    if callable(init):
        report.stage('init')
        with report.span('init'):
            init()
    report.run = run if callable(run) else None
    asgi = load_own('boot_asgi', os.path.join(HERE, 'boot_asgi.py'))
    app = getattr(loaded, name, None)
    if asgi.is_asgi(app):
        converse_asgi(requests, asgi, app, report)
    converse(requests, None if report.run is None else lambda request: call_run(run, request), report, 'run')


def call_run(run, request):
    body = base64.b64decode(request['body']).decode('utf-8', 'replace')
    given = json.loads(body) if decorated(run) else None
    began = time.perf_counter()
    value = run(**given) if isinstance(given, dict) else run(body)
    taken = (time.perf_counter() - began) * 1e3
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return '200 OK', text.encode('utf-8', 'replace'), taken


def load_file(path):
    sys.path.insert(0, os.path.dirname(path))
    spec = importlib.util.spec_from_file_location('entry_module', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_app(name, folder):
    sys.path.insert(0, folder)
    return importlib.import_module(name)


def main():
    spec = json.loads(sys.argv[1])
    program, args, entry = spec['program'], spec['args'], spec['entry']
    report = Report(3, entry, spec['root'])
    report.tells_modules = spec['modules']
    requests = take_stdin() if spec['asks'] else None
    sys.path[:] = [path for path in sys.path if os.path.realpath(path) != HERE]
    if spec['profile']:
        report.profile = load_own('boot_profile', os.path.join(HERE, 'boot_profile.py')).Profile(lambda: report.phase)
        report.profile.install()
    try:
        check(entry, report)
        report.stage('import')
        if program['kind'] == 'app':
            module, _, name = program['name'].partition(':')
            boot_module(lambda: load_app(module, program['folder']), name or 'app', report, requests)
        elif program['kind'] == 'file':
            boot_module(lambda: load_file(program['name']), 'app', report, requests)
        else:
            boot_gunicorn(program, args, entry, report, requests)
        raise RuntimeError('the server ended before it loaded the application')
    except BaseException as error:
        report.failed(error)


main()
