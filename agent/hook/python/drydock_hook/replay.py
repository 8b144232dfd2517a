"""Asks a WSGI application what it was asked before: the gate of new code. Also in trials."""
import base64
import io
import sys
import time
from urllib.parse import unquote_to_bytes

#: Bytes of an answer that are kept.
MAX_ANSWER = 16 * 1024


def replay(app, request):
    """(status line, body, milliseconds) of the application for a captured request. What it raises is the caller's."""
    body = base64.b64decode(request['body'])
    environ = {
        'REQUEST_METHOD': request['method'],
        'SCRIPT_NAME': '',
        'PATH_INFO': unquote_to_bytes(request['path']).decode('latin-1'),
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
