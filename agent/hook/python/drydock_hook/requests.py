"""Requests to a service and their answers, captured as they pass; those of a WSGI application here, of ASGI in asgi.py.

Only POST counts, since health and swagger are GET, and whatever carries the header X-Drydock-Request. The client's answer
stays what it is. Bodies are bounded; who passes a datagram on drops it where nobody reads.
"""
import json
import os
import re
import socket
import time
from urllib.parse import quote

from . import failure, raised
from .replay import MAX_ANSWER, text
from .variables import Variables

MAX_BODY = 96 * 1024
#: Captured at once, in each worker, of good and of failed requests each.
BURST = 10.0
#: And in a second from then on: one costs a millisecond of processor in all, what is not captured next to nothing.
GOOD, BAD = 3.0, 10.0
KEPT_HEADERS = ('CONTENT_TYPE', 'HTTP_ACCEPT', 'HTTP_CONTENT_ENCODING', 'HTTP_ACCEPT_ENCODING', 'HTTP_USER_AGENT')
TOLD_HEADERS = ('content-type', 'server')
#: What gunicorn answers for who raises, unless it has begun an answer and can only cut it off.
BROKEN = '500 Internal Server Error'
#: A datagram's limit is the socket's buffer, 208 KiB where nobody has changed it.
MAX_DATAGRAM = 190 * 1024
#: What stands in a request line as it is.
PATH, QUERY = "/!$&'()*+,;=:@~", ''.join(map(chr, range(0x21, 0x7f)))


class Bucket(object):
    def __init__(self, rate):
        self.rate, self.tokens, self.at = rate, BURST, time.monotonic()

    def take(self):
        now = time.monotonic()
        self.tokens = min(BURST, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Teller(object):
    """Tells of what has passed. `post(data)` sends it. `look`: (UserFiles, files of ours, whether variables are shown, words to redact)."""

    def __init__(self, post, look):
        self.post = post
        self.look = look
        self.good, self.bad = Bucket(GOOD), Bucket(BAD)

    def keep(self, mark, status, told):
        """`told()` gives the rest of what `tell` takes. Whatever comes of it, the client's answer goes on."""
        try:
            bucket = self.good if status[:1] == '2' else self.bad
            if mark is not None or bucket.take():
                self.tell(mark, status, *told())
        except Exception:
            pass  # an environ, a header or a frame of a kind that nobody has seen

    def tell(self, mark, status, environ, body, headers, answer, seconds, error):
        """`environ` by WSGI's names. `body` and `answer` are None where they are too large."""
        cut = body is None or environ.get('CONTENT_LENGTH') not in (None, '', str(len(body)))
        request = {
            'id': mark if mark is not None and re.match(r'^[\w-]{1,64}$', mark) else None,
            'at': int(time.time() * 1000),
            'pid': os.getpid(),
            'ms': seconds * 1e3,
            'method': environ.get('REQUEST_METHOD', ''),
            'path': as_asked(environ.get('PATH_INFO', ''), PATH),
            'query': as_asked(environ.get('QUERY_STRING', ''), QUERY),
            'headers': {name: environ[name][:1000] for name in KEPT_HEADERS if isinstance(environ.get(name), str)},
            'body': '' if body is None else text(body),
            # Not whole: too large, read in part, or by a way of its own.
            'cut': cut,
            'status': status,
            'told': [[name, value[:1000]] for name, value in headers
                     if name.lower() in TOLD_HEADERS or name.lower().startswith('x-ms-')][:20],
            'answer': '' if answer is None else text(answer),
            'answerCut': answer is None,
            'failure': None,
        }
        if status[:1] == '5' and error is not None:
            request['failure'] = self.describe(error)
        self.send(request)

    def describe(self, error):
        user, own, variables, redact = self.look
        return failure.describe(failure.unwrap(error), user, own, Variables(redact) if variables else None)

    def send(self, request):
        data = json.dumps(request).encode('ascii')
        if len(data) > MAX_DATAGRAM:
            # What is told first goes last: the variables, then the answer, then the body.
            for frame in (request['failure'] or {}).get('frames', ()):
                frame.pop('locals', None)
            data = json.dumps(request).encode('ascii')
        if len(data) > MAX_DATAGRAM:
            request.update(answer='', answerCut=True, body='', cut=True)
            data = json.dumps(request).encode('ascii')
        self.post(data)


def as_asked(value, safe):
    """In a request line; `value` is a string as WSGI has it, a character a byte."""
    return quote(value.encode('latin-1', 'replace'), safe)


def by_datagram(name):
    """Sends to whoever has that name."""
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)

    def post(data):
        try:
            sender.sendto(data, name)
        except OSError:
            pass  # the master is busy, or nobody listens: the next one will do

    return post


class Kept(object):
    """Bytes as they pass; `data` is None when it is too much."""

    def __init__(self, limit):
        self.limit = limit
        self.data = b''

    def add(self, part):
        if self.data is not None:
            self.data = self.data + part if len(self.data) + len(part) <= self.limit else None
        return part


class Capture(object):
    """A WSGI application around the user's."""

    def __init__(self, app, teller):
        self.app = app
        self.teller = teller

    def __call__(self, environ, start_response):
        mark = environ.get('HTTP_X_DRYDOCK_REQUEST')
        if mark is None and environ.get('REQUEST_METHOD') != 'POST':
            return self.app(environ, start_response)
        began = time.perf_counter()
        body = Kept(MAX_BODY)
        environ['wsgi.input'] = Tee(environ['wsgi.input'], body)
        seen = {}

        def start(status, headers, *rest):
            seen['status'], seen['headers'] = status, headers
            return start_response(status, headers, *rest)

        def tell(answer, error):
            self.teller.keep(mark, seen.get('status', ''), lambda: (
                environ, body.data, seen.get('headers', ()), answer, time.perf_counter() - began, error))

        with raised.Watch() as watch:
            try:
                answer = self.app(environ, start)
            except BaseException as error:
                seen['status'], seen['headers'] = BROKEN, []
                tell(b'', error)
                raise
        wrapper = environ.get('wsgi.file_wrapper')
        if isinstance(wrapper, type) and isinstance(answer, wrapper):
            return answer  # the server sends it by the kernel

        def done(parts, error):
            if error is not None:
                seen['status'] = BROKEN
            tell(parts, watch.error if error is None else error)

        return Answer(answer, done)


class Tee(object):
    """What the application reads of the body is kept."""

    def __init__(self, stream, kept):
        self.stream = stream
        self.kept = kept

    def read(self, *args):
        return self.kept.add(self.stream.read(*args))

    def readline(self, *args):
        return self.kept.add(self.stream.readline(*args))

    def readlines(self, *args):
        lines = self.stream.readlines(*args)
        self.kept.add(b''.join(lines))
        return lines

    def __iter__(self):
        for line in self.stream:
            yield self.kept.add(line)

    def __getattr__(self, name):
        return getattr(self.stream, name)


class Answer(object):
    def __init__(self, parts, done):
        self.parts = parts
        self.done = done

    def __iter__(self):
        kept = Kept(MAX_ANSWER)
        try:
            for part in self.parts:
                kept.add(part)
                yield part
        except Exception as error:  # the code fails amid its answer
            self.done(None, error)
            raise
        self.done(kept.data, None)

    def close(self):
        close = getattr(self.parts, 'close', None)
        if close is not None:
            close()
