"""A worker between its fork and its first request: loads the application, reports, waits for its promotion.

The master makes a Birth before it forks; the child finds it in `pending`. It reports in JSON lines over a pipe: stages,
then `ready`, `failed` (a candidate) or `held` (a worker that stays, and answers 503 with the traceback).
"""
import base64
import errno
import json
import os
import sys

from . import debugger, door, failure, forked, leaving, raised, replay, requests
from .sources import Sources
from .variables import Variables

EXCLUSIVE = (errno.EADDRINUSE, errno.EAGAIN, errno.EWOULDBLOCK)

#: What the next fork is for; set by the master around it.
pending = None


class Birth(object):
    """Of one worker. `report` and `go` are (read, write) pipes; `go` and `debug`, (folder of bundled debuggers, seconds to
    wait for a client or None), are a candidate's only."""

    def __init__(self, kind, speaks, user, copy, gate, hold, capture, close, debug=None, shows=True, redact=()):
        self.kind = kind
        self.speaks = speaks
        self.user = user
        self.copy = copy
        self.gate = gate
        self.hold = hold
        self.capture = capture
        self.close = close
        self.debug = debug
        self.shows = shows
        self.redact = redact
        self.report = os.pipe()
        self.go = os.pipe() if kind == 'candidate' else None

    def variables(self):
        return Variables(self.redact) if self.shows else None


class Reporter(object):
    def __init__(self, birth):
        self.pid = os.getpid()
        self.birth = birth
        self.descriptor = birth.report[1]

    def say(self, **event):
        if os.getpid() != self.pid or self.descriptor is None:
            return  # a child that the user's code forked
        line = json.dumps(event).encode('ascii') + b'\n'
        try:
            while line:
                line = line[os.write(self.descriptor, line):]
        except OSError:
            pass  # the master is gone; gunicorn's worker sees that itself

    def end(self):
        os.close(self.descriptor)
        self.descriptor = None


def load(app, usual):
    """In place of `app.wsgi`, by which a worker of any class comes to its application. Returns that."""
    global pending
    birth, pending = pending, None
    if birth is None:
        return usual()
    os.close(birth.report[0])
    birth.close()
    reporter = Reporter(birth)
    reseed()
    leaving.mend()
    door.install()
    if birth.kind == 'candidate':
        return load_candidate(app, usual, birth, reporter)
    return load_plain(app, usual, birth, reporter)


def load_candidate(app, usual, birth, reporter):
    os.close(birth.go[1])
    group = os.getpgrp()
    os.setpgid(0, 0)  # so that what the code starts ends with it when it is rejected
    score = forked.die_first_when_memory_is_short()
    try:
        if birth.debug is not None:
            await_debugger(reporter, *birth.debug)
        loaded, sources = load_app(app, usual, birth, reporter)
        gate = pass_gate(loaded, birth, reporter)
    except BaseException as error:
        cause = failure.unwrap(error)
        exclusive = any(isinstance(one, OSError) and one.errno in EXCLUSIVE for one in failure.chain(error))
        reporter.say(failed=failure.describe(cause, birth.user, failure.OWN, birth.variables()), exclusive=exclusive)
        forked.flush()
        os.read(birth.go[0], 1)  # the master kills: no atexit handler of the user's code ever runs
        os._exit(0)
    reporter.say(ready=ready(sources, with_copy=birth.copy is None), gate=gate)
    # End of file: refused without a word, or the master is gone.
    if os.read(birth.go[0], 1) != b'g':
        os._exit(0)
    os.close(birth.go[0])
    reporter.end()
    rejoin(group)
    forked.restore(score)
    return catch(loaded, birth)


def await_debugger(reporter, bundled, seconds):
    """Before the code is imported, so that a breakpoint in init() is hit. The code is loaded with and without a debugger."""
    try:
        told = debugger.listen(bundled)
        reporter.say(debug=dict(told, waits=seconds))
        if seconds is not None:
            reporter.say(stage='debugger')
            reporter.say(debug=dict(told, waits=None, came=debugger.wait(seconds)))
    except Exception as error:
        reporter.say(debug={'error': '{}: {}'.format(type(error).__name__, error)})


def load_plain(app, usual, birth, reporter):
    told = birth.hold
    if told is None:
        try:
            loaded, sources = load_app(app, usual, birth, reporter)
        except BaseException as error:
            told = failure.describe(failure.unwrap(error), birth.user, failure.OWN, birth.variables())
    if told is None:
        reporter.say(ready=ready(sources, with_copy=birth.copy is None))
        reporter.end()
        return catch(loaded, birth)
    reporter.say(held=told)
    reporter.end()
    forked.flush()
    return held_app(birth.speaks, told)


def load_app(app, usual, birth, reporter):
    sources = Sources(birth.user, birth.copy)
    sources.install()
    reporter.say(stage='import')
    watch_init(app, reporter)
    return usual(), sources


def watch_init(app, reporter):
    """azmlinfsrv's UserScript tells where import ends and init() begins (server/user_script.py)."""
    if not str(getattr(app, 'app_uri', '')).startswith('azureml_inference_server_http.'):
        return
    try:
        from azureml_inference_server_http.server.user_script import UserScript
    except Exception:
        return  # the load itself will say it
    usual = UserScript.invoke_init

    def invoke_init(self, *args, **kwargs):
        reporter.say(stage='init')
        return usual(self, *args, **kwargs)

    UserScript.invoke_init = invoke_init


class GateError(Exception):
    pass


def pass_gate(loaded, birth, reporter):
    """What the new code answers to the last good request, before it has a single live one. None without a request."""
    request = birth.gate
    if request is None or birth.speaks != 'wsgi':
        return None
    reporter.say(stage='gate')
    with raised.Watch() as caught:
        status, body, ms = replay.replay(loaded, request)
    known = request.get('status') is not None
    result = {
        'path': request['path'],
        'status': status,
        'ms': ms,
        'answer': replay.text(body[:replay.MAX_ANSWER]),
        'before': {'status': request['status'], 'answer': request['answer']} if known else None,
    }
    if status[:1] == '5':
        reporter.say(gate=result)
        if caught.error is not None:
            raise caught.error
        raise GateError('the new code answers {} to the last good request {}'.format(status, request['path']))
    return result


def catch(loaded, birth):
    if birth.capture is None:
        return loaded
    raised.install()
    teller = requests.Teller(requests.by_datagram(birth.capture), (birth.user, failure.OWN, birth.shows, birth.redact))
    if birth.speaks == 'wsgi':
        return requests.Capture(loaded, teller)
    from . import asgi
    return asgi.Capture(loaded, teller) if asgi.is_asgi(loaded) else loaded


def ready(sources, with_copy):
    read = sources.complete() if with_copy else None
    return {
        'files': sorted(sources.read),
        'copy': None if read is None else {
            path: [name, base64.b64encode(data).decode('ascii')] for path, (name, data) in read.items()},
        'environ': dict(os.environ),
        'sites': [path for path in sys.path if os.path.basename(path) in ('site-packages', 'dist-packages')],
        'modules': [name for name, module in list(sys.modules.items()) if is_installed(module)],
    }


def is_installed(module):
    try:
        file = vars(module).get('__file__')  # getattr would make a lazy module load what it stands for
    except Exception:
        return False
    return isinstance(file, str) and ('site-packages' in file or 'dist-packages' in file)


def protocol(worker_class):
    """What its workers ask of an application; None for a class that is not known, which might not bear ours."""
    for module in (one.__module__ for one in worker_class.__mro__):
        if module in ('gunicorn.workers.sync', 'gunicorn.workers.gthread', 'gunicorn.workers.base_async'):
            return 'wsgi'
        if module == 'gunicorn.workers.gasgi' or module.split('.')[0] in ('uvicorn', 'uvicorn_worker'):
            return 'asgi'
    return None


def held_app(speaks, told):
    body = 'Drydock holds this service: its code does not start.\n\n{}\n'.format(told['traceback'])
    body = body.encode('utf-8', 'replace')

    def answer(environ, start_response):
        # A client that has more to say than is read would see a broken connection instead of the answer.
        try:
            while environ['wsgi.input'].read(65536):
                pass
        except Exception:
            pass
        start_response('503 Service Unavailable', [
            ('Content-Type', 'text/plain; charset=utf-8'), ('Content-Length', str(len(body)))])
        return [body]

    async def answer_asgi(scope, receive, send):
        if scope['type'] == 'lifespan':
            while True:
                message = await receive()
                await send({'type': message['type'] + '.complete'})
                if message['type'] == 'lifespan.shutdown':
                    return
        if scope['type'] != 'http':
            return
        await send({'type': 'http.response.start', 'status': 503,
                    'headers': [(b'content-type', b'text/plain; charset=utf-8')]})
        await send({'type': 'http.response.body', 'body': body})

    return answer_asgi if speaks == 'asgi' else answer


def reseed():
    """Modules that the master has imported would give each of its children the same numbers."""
    for seed in (lambda: sys.modules['numpy'].random.seed(), lambda: sys.modules['torch'].seed()):
        try:
            seed()
        except Exception:
            pass  # it is not imported


def rejoin(group):
    try:
        os.setpgid(0, group)
    except OSError:
        pass  # the group ended with its leader
