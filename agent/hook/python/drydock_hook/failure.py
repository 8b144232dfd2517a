"""An exception as the agent wants it: type, message, traceback and frames, without the server's own frames. Also in trials."""
import os
import traceback

MAX_FRAMES = 60
MAX_TEXT = 64 * 1024
#: Of several tasks of one request; before Python 3.11 a package's.
GROUPS = ('ExceptionGroup', 'BaseExceptionGroup')
#: Files of ours through which a worker calls the user's code.
OWN = tuple(os.path.join(os.path.dirname(__file__), name) for name in (
    'worker.py', 'sources.py', 'requests.py', 'asgi.py', 'master.py', 'door.py', 'debugger.py', 'raised.py', 'replay.py'))


class UserFiles(object):
    """Which files are the user's: those under the root that no package manager put there, and the entry script."""

    def __init__(self, root, entry):
        self.root = os.path.realpath(root)
        self.entry = entry and os.path.realpath(entry)

    def __contains__(self, name):
        path = os.path.realpath(name)
        if path == self.entry:
            return True
        parts = path.split(os.sep)
        return path.startswith(self.root + os.sep) and 'site-packages' not in parts and 'dist-packages' not in parts


def describe(error, user, own=(), variables=None):
    """`own`: files of ours, whose frames are left out. `variables`: for the frames of the user's, and for the last two."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename not in user:
        trace = trace.tb_next  # the server's own frames above the user's
    if trace is None:
        trace = error.__traceback__
    places = [(place, frame) for place, (frame, _) in zip(traceback.extract_tb(trace), traceback.walk_tb(trace))
              if not is_machinery(place.filename, own)]
    frames = []
    for index, (f, frame) in enumerate(places):
        told = {'file': f.filename, 'line': f.lineno or 0, 'function': f.name, 'code': f.line or None,
                'user': f.filename in user}
        if variables is not None and f.name != '<module>' and (told['user'] or index >= len(places) - 2):
            told['locals'] = variables.of(frame)
        frames.append(told)
    message = text_of(error)
    if isinstance(error, SyntaxError):
        message = str(error.msg)
        if error.filename:
            frames.append({'file': error.filename, 'line': error.lineno or 0, 'function': '<module>',
                           'code': error.text and error.text.strip(), 'user': error.filename in user})
    if len(frames) > MAX_FRAMES:
        frames = frames[:MAX_FRAMES // 2] + frames[-MAX_FRAMES // 2:]
    try:
        text = ''.join(without_machinery(traceback.TracebackException(type(error), error, trace), own).format())
    except Exception:  # an exception of the user's may not be printable
        text = '{}: {}'.format(type(error).__name__, message)
    return {'type': type(error).__name__, 'message': message[:MAX_TEXT], 'traceback': text[-MAX_TEXT:],
            'frames': frames, 'init': any(f['user'] and f['function'] == 'init' for f in frames)}


def plain(kind, message):
    return {'type': kind, 'message': message, 'traceback': message, 'frames': [], 'init': False}


def is_machinery(name, own):
    return name.startswith('<frozen ') or name in own


def without_machinery(shown, own):
    shown.stack = traceback.StackSummary.from_list([f for f in shown.stack if not is_machinery(f.filename, own)])
    for earlier in (shown.__cause__, shown.__context__):
        if earlier is not None:
            without_machinery(earlier, own)
    return shown


def text_of(error):
    try:
        message = getattr(error, 'message', None)  # azureml's str() is a page
        return message if isinstance(message, str) and message else str(error)
    except Exception:
        return '(its message could not be made)'


def unwrap(error):
    """What the user's code raised, out of what the server made of it (an exit code, a UserScriptException, a group of one)."""
    while True:
        inner = getattr(error, 'user_ex', None)
        grouped = getattr(error, 'exceptions', None)
        if inner is None and type(error).__name__ in GROUPS and isinstance(grouped, tuple) and len(grouped) == 1:
            inner = grouped[0]
        if inner is None and isinstance(error, SystemExit):
            inner = error.__context__
        if not isinstance(inner, BaseException) or inner is error:
            return error
        error = inner


def chain(error):
    """The error and what led to it."""
    seen = []
    while isinstance(error, BaseException) and error not in seen:
        seen.append(error)
        error = getattr(error, 'user_ex', None) or error.__cause__ or error.__context__
    return seen
