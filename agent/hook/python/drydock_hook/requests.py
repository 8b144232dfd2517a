"""The last good request of a WSGI service, captured as it passes, and its replay: the gate of new code.

Only POST counts: health and swagger are GET. Bodies are bounded; a larger request or answer is not kept.
"""
import base64
import io
import json
import sys
import time

MAX_BODY = 96 * 1024
MAX_ANSWER = 16 * 1024
#: Seconds between two captures: the newest is wanted, not each.
PAUSE = 1.0
KEPT_HEADERS = ('CONTENT_TYPE', 'HTTP_ACCEPT', 'HTTP_CONTENT_ENCODING', 'HTTP_ACCEPT_ENCODING')


class Capture(object):
    """A WSGI application around the user's. Sends one datagram for a good answer; drops it where nobody reads."""

    def __init__(self, app, sender):
        self.app = app
        self.sender = sender
        self.last = 0.0

    def __call__(self, environ, start_response):
        if environ.get('REQUEST_METHOD') != 'POST' or time.monotonic() - self.last < PAUSE:
            return self.app(environ, start_response)
        tee = environ['wsgi.input'] = Tee(environ['wsgi.input'])
        seen = {}

        def start(status, headers, *rest):
            seen['status'] = status
            return start_response(status, headers, *rest)

        answer = self.app(environ, start)
        wrapper = environ.get('wsgi.file_wrapper')
        if isinstance(wrapper, type) and isinstance(answer, wrapper):
            return answer  # the server sends it by the kernel
        return Answer(answer, lambda body: self.keep(environ, tee, seen.get('status', ''), body))

    def keep(self, environ, tee, status, body):
        if not status.startswith('2') or tee.data is None or body is None:
            return
        if environ.get('CONTENT_LENGTH') not in (None, '', str(len(tee.data))):
            return  # read in part, or by a way of its own
        request = {
            'method': 'POST',
            'path': environ.get('PATH_INFO', ''),
            'query': environ.get('QUERY_STRING', ''),
            'headers': {name: environ[name] for name in KEPT_HEADERS if isinstance(environ.get(name), str)},
            'body': text(tee.data),
            'status': status,
            'answer': text(body),
        }
        try:
            self.sender.send(json.dumps(request).encode('ascii'))
            self.last = time.monotonic()
        except OSError:
            pass  # the master is busy or the request too large: the next one will do


class Tee(object):
    """What the application reads of the body; `data` is None when it is too much."""

    def __init__(self, stream):
        self.stream = stream
        self.data = b''

    def add(self, part):
        if self.data is not None:
            self.data = self.data + part if len(self.data) + len(part) <= MAX_BODY else None
        return part

    def read(self, *args):
        return self.add(self.stream.read(*args))

    def readline(self, *args):
        return self.add(self.stream.readline(*args))

    def readlines(self, *args):
        lines = self.stream.readlines(*args)
        self.add(b''.join(lines))
        return lines

    def __iter__(self):
        for line in self.stream:
            yield self.add(line)

    def __getattr__(self, name):
        return getattr(self.stream, name)


class Answer(object):
    def __init__(self, parts, done):
        self.parts = parts
        self.done = done

    def __iter__(self):
        body = b''
        for part in self.parts:
            if body is not None:
                body = body + part if len(body) + len(part) <= MAX_ANSWER else None
            yield part
        self.done(body)

    def close(self):
        close = getattr(self.parts, 'close', None)
        if close is not None:
            close()


def replay(app, request):
    """(status line, body, milliseconds) of the application for a captured request. What it raises is the caller's."""
    body = base64.b64decode(request['body'])
    environ = {
        'REQUEST_METHOD': request['method'],
        'SCRIPT_NAME': '',
        'PATH_INFO': request['path'],
        'RAW_URI': request['path'],
        'QUERY_STRING': request['query'],
        'SERVER_NAME': '127.0.0.1',
        'SERVER_PORT': '0',
        'SERVER_PROTOCOL': 'HTTP/1.1',
        'SERVER_SOFTWARE': 'drydock',
        'REMOTE_ADDR': '127.0.0.1',
        'HTTP_HOST': '127.0.0.1',
        'CONTENT_LENGTH': str(len(body)),
        'wsgi.version': (1, 0),
        'wsgi.url_scheme': 'http',
        'wsgi.input': io.BytesIO(body),
        'wsgi.input_terminated': True,
        'wsgi.errors': sys.stderr,
        'wsgi.multithread': False,
        'wsgi.multiprocess': True,
        'wsgi.run_once': False,
    }
    environ.update(request['headers'])
    seen = {}

    def start(status, headers, exc_info=None):
        if exc_info is not None:
            raise exc_info[1]
        seen['status'] = status
        return lambda data: None

    began = time.perf_counter()
    parts = app(environ, start)
    try:
        answer = b''.join(parts)
    finally:
        close = getattr(parts, 'close', None)
        if close is not None:
            close()
    return seen.get('status', ''), answer, (time.perf_counter() - began) * 1e3


def text(data):
    return base64.b64encode(data).decode('ascii')
