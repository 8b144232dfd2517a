"""The same for an ASGI application, whose requests are tasks of one thread. Imported only where there is one.

Shapes of scopes and messages: the ASGI specification 3.0, https://asgi.readthedocs.io/en/latest/specs/.
"""
import asyncio
import inspect
import sys
import time
from http.client import responses

from . import raised
from .replay import MAX_ANSWER
from .requests import BROKEN, MAX_BODY, Kept

MARK = b'x-drydock-request'
#: The server reads a file by itself, or the kernel sends it.
BY_SERVER = ('http.response.pathsend', 'http.response.zerocopysend')


def is_asgi(app):
    """Of version 3, where a Python tells tasks apart; applications of version 2 and WSGI's are called otherwise."""
    return raised.ContextVar is not None and any(map(inspect.iscoroutinefunction, (app, getattr(type(app), '__call__', None))))


class Capture(object):
    """An ASGI application around the user's. Where `teller` is None requests pass as if nobody were there."""

    def __init__(self, app, teller):
        self.app = app
        self.teller = teller

    async def __call__(self, scope, receive, send):
        teller = self.teller
        if teller is None or scope['type'] != 'http':
            return await self.app(scope, receive, send)
        mark = next((value for name, value in scope['headers'] if name == MARK), None)
        if mark is None and scope['method'] != 'POST':
            return await self.app(scope, receive, send)
        exchange = Exchange(teller, mark, scope, receive, send)
        with exchange.watch:
            try:
                result = await self.app(scope, exchange.receive, exchange.send)
                exchange.end(exchange.watch.error)
                return result
            except (asyncio.CancelledError, GeneratorExit):
                raise  # the server gives it up
            except BaseException as error:
                exchange.end(error)
                raise
            finally:
                exchange.watch.end()


class Exchange(object):
    """A request as it passes. Each message goes on at once, and is looked at when it has."""

    def __init__(self, teller, mark, scope, receive, send):
        self.began = time.perf_counter()
        self.teller = teller
        self.mark = None if mark is None else mark.decode('latin-1')
        # As it is now: routers change the scope.
        self.method, self.path, self.headers = scope['method'], path_of(scope), scope['headers']
        self.query = scope.get('query_string', b'')
        self.usual_receive, self.usual_send = receive, send
        self.body, self.answer = Kept(MAX_BODY), Kept(MAX_ANSWER)
        self.status, self.told = None, ()
        self.gone = False
        #: When the answer was whole.
        self.ended = None
        self.watch = raised.Watch()

    async def receive(self):
        message = await self.usual_receive()
        if message['type'] == 'http.request':
            self.body.add(message.get('body', b''))
        elif message['type'] == 'http.disconnect':
            self.gone = True
        return message

    async def send(self, message):
        await self.usual_send(message)
        kind = message['type']
        if kind == 'http.response.start':
            self.status, self.told = message['status'], message.get('headers', ())
            if self.status >= 500:
                # A handler of exceptions answers while it handles one.
                self.watch.error = sys.exc_info()[1] or self.watch.error
        elif kind == 'http.response.body' or kind in BY_SERVER:
            self.answer.add(message.get('body', b''))
            if kind in BY_SERVER:
                self.answer.data = None
            if not message.get('more_body', False):
                self.ended = time.perf_counter()
                if self.status < 500:
                    self.tell(None)  # now: what the application does after its answer may take its time

    def end(self, error):
        """Of the application's call: what it raised after it had answered 500 is known now."""
        if self.ended or not self.gone:  # else its client has left amid it
            self.tell(error)

    def tell(self, error):
        teller, self.teller = self.teller, None
        self.watch.end()  # the frames of what it holds have us
        if teller is not None:
            whole = self.ended is not None
            status = '{} {}'.format(self.status, responses.get(self.status, '')) if whole else BROKEN
            teller.keep(self.mark, status.strip(), lambda: self.described(error))

    def described(self, error):
        environ = {environ_name(name): value.decode('latin-1') for name, value in self.headers}
        path = self.path.encode('utf-8', 'replace').decode('latin-1')
        environ.update(REQUEST_METHOD=self.method, PATH_INFO=path, QUERY_STRING=self.query.decode('latin-1'))
        headers = [(name.decode('latin-1'), value.decode('latin-1')) for name, value in self.told]
        seconds = (self.ended or time.perf_counter()) - self.began
        return environ, self.body.data, headers, self.answer.data, seconds, error


def environ_name(name):
    name = name.decode('latin-1').upper().replace('-', '_')
    return name if name in ('CONTENT_TYPE', 'CONTENT_LENGTH') else 'HTTP_' + name


def path_of(scope):
    """As it is asked for: later versions of uvicorn put before it what its proxy has cut off."""
    path, root = scope['path'], scope.get('root_path', '')
    return path[len(root):] if root and path.startswith(root + '/') else path
