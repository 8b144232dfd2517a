"""Asks an ASGI application in a process of its own: it is started as a server starts it, then each request is one call.

Shapes of scopes and messages: the ASGI specification 3.0, https://asgi.readthedocs.io/en/latest/specs/.
"""
import asyncio
import base64
import http
import inspect
import time
from urllib.parse import unquote

ASGI = {'version': '3.0', 'spec_version': '2.3'}


def is_asgi(app):
    return any(map(inspect.iscoroutinefunction, (app, getattr(type(app), '__call__', None))))


class Application(object):
    def __init__(self, app):
        self.app = app
        self.loop = asyncio.new_event_loop()
        #: What its start has left for its requests.
        self.state = {}
        #: Kept: a task that nobody holds is collected.
        self.life = None
        self.loop.run_until_complete(self.start())

    async def start(self):
        """Its own preparations. One that knows no lifespan raises at once, and is served all the same, as uvicorn does."""
        started = self.loop.create_future()
        messages = [{'type': 'lifespan.startup'}]

        async def receive():
            return messages.pop() if messages else await self.loop.create_future()  # it never ends: the process is killed

        async def send(message):
            if not started.done() and message['type'].startswith('lifespan.startup.'):
                started.set_result(message)

        scope = {'type': 'lifespan', 'asgi': ASGI, 'state': self.state}
        self.life = self.loop.create_task(self.app(scope, receive, send))
        await asyncio.wait([started, self.life], return_when=asyncio.FIRST_COMPLETED)
        if started.done() and started.result()['type'] == 'lifespan.startup.failed':
            raise RuntimeError(started.result().get('message') or 'the application says that its start has failed')

    def answer(self, request):
        """(status line, body, milliseconds). What it raises is the caller's, though it may have answered 500 before."""
        began = time.perf_counter()
        status, body = self.loop.run_until_complete(self.call(request))
        return status, body, (time.perf_counter() - began) * 1e3

    async def call(self, request):
        body = base64.b64decode(request['body'])
        messages = [{'type': 'http.request', 'body': body, 'more_body': False}]
        status, parts = [500], []

        async def receive():
            return messages.pop() if messages else await self.loop.create_future()  # its client waits

        async def send(message):
            if message['type'] == 'http.response.start':
                status[0] = message['status']
            elif message['type'] == 'http.response.body':
                parts.append(bytes(message.get('body', b'')))

        headers = [(name_of(name).encode('latin-1'), str(value).encode('latin-1', 'replace'))
                   for name, value in request['headers'].items()]
        await self.app({
            'type': 'http', 'asgi': ASGI, 'http_version': '1.1', 'method': request['method'], 'scheme': 'http',
            'path': unquote(request['path']), 'raw_path': request['path'].encode('utf-8'), 'root_path': '',
            'query_string': request['query'].encode('utf-8'), 'client': ('127.0.0.1', 0), 'server': ('127.0.0.1', 0),
            'headers': [(b'host', b'127.0.0.1'), (b'content-length', b'%d' % len(body))] + headers,
            'state': dict(self.state),
        }, receive, send)
        return status_line(status[0]), b''.join(parts)


def name_of(name):
    """HTTP_ACCEPT → accept"""
    return (name[5:] if name.startswith('HTTP_') else name).replace('_', '-').lower()


def status_line(status):
    try:
        return '%d %s' % (status, http.HTTPStatus(status).phrase)
    except ValueError:
        return str(status)
