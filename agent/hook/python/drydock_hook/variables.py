"""The variables of a frame, for a person: bounded, without running a line of anybody's code, and without secrets.

A `__repr__` of the user's may be slow, endless, or change what it shows; so objects are described by what they hold.
"""
import re
import types

#: Names in one frame, characters of one value, and of all together.
MAX_NAMES = 30
MAX_VALUE = 200
MAX_ALL = 24 * 1024
MAX_ITEMS = 8
DEPTH = 3
HIDDEN = u'\u2022\u2022\u2022'
SECRET = r'passw|secret|token|api_?key|access_?key|account_?key|credential|connection_?string|authorization|cookie|(^|_)(sas|pwd|key)$'

#: Whose own `repr` is short and harmless.
PLAIN = (bool, float, complex, type(None), type(Ellipsis), type(NotImplemented))
TELLING = ('datetime', 'decimal', 'fractions', 'pathlib', 'uuid', 'ipaddress', 'zoneinfo')


class Variables(object):
    """Of one failure. `redact`: further words of names whose values are not shown."""

    def __init__(self, redact=()):
        self.left = MAX_ALL
        words = [re.escape(word) for word in redact]
        self.secret = re.compile('|'.join([SECRET] + words), re.IGNORECASE)
        #: The same in a text that holds JSON or a connection string.
        self.inside = re.compile(r'''((?:%s)\w*\\?["']?\s*[:=]\s*)(?!\u2022)(\\?["'](?:[^"'\\]|\\[^"'])*(?:\\?["'])?|[^\s;,&"'}]+)''' % '|'.join([SECRET.replace('$', '')] + words),
                                 re.IGNORECASE)

    def of(self, frame):
        """[{'name', 'type', 'value'}], as many as there is room for."""
        shown = []
        for name, value in list(frame.f_locals.items()):
            if len(shown) >= MAX_NAMES or self.left <= 0:
                break
            if name.startswith('__') or issubclass(type(value), (types.ModuleType, types.FunctionType, type)):
                continue
            try:
                kind, text = type(value).__name__, self.text(name, value)
            except Exception as error:  # a container that changes meanwhile, a type that lies
                kind, text = '?', '(not shown: {})'.format(type(error).__name__)
            self.left -= len(name) + len(text)
            shown.append({'name': name[:100], 'type': kind[:100], 'value': text})
        return shown

    def text(self, name, value):
        text = HIDDEN if self.secret.search(name) else self.inside.sub(self.hide, self.show(value, DEPTH))
        return text if len(text) <= MAX_VALUE else text[:MAX_VALUE - 1] + u'\u2026'

    def again(self, shown):
        """What was shown before further words were known."""
        return [dict(one, value=HIDDEN if self.secret.search(one['name']) else self.inside.sub(self.hide, one['value']))
                for one in shown]

    def hide(self, found):
        return found.group(1) + HIDDEN

    def show(self, value, depth):
        kind = type(value)
        if kind in PLAIN:
            return repr(value)
        if kind is int:
            return repr(value) if value.bit_length() <= 512 else 'int of {} bits'.format(value.bit_length())
        if kind is str:
            return repr(value) if len(value) <= 150 else '{}\u2026 ({} characters)'.format(repr(value[:120]), len(value))
        if kind in (bytes, bytearray, memoryview):
            return '{} of {} bytes: {!r}'.format(kind.__name__, len(value), bytes(value[:40]))
        if kind is dict:
            return self.items(value.items(), len(value), '{', '}', depth, lambda one: self.pair(one[0], one[1], depth))
        for builtin, begin, end in ((list, '[', ']'), (tuple, '(', ')'), (set, '{', '}'), (frozenset, '{', '}')):
            if kind is builtin:
                return self.items(value, len(value), begin, end, depth, lambda one: self.show(one, depth - 1))
        return self.describe(value, kind, depth)

    def items(self, values, count, begin, end, depth, show):
        if depth <= 0 and count:
            return '{}{} items{}'.format(begin, count, end)
        shown, length = [], 0
        for value in values:
            if len(shown) == MAX_ITEMS or length > MAX_VALUE:
                shown.append(u'\u2026 {} in all'.format(count))
                break
            shown.append(show(value))
            length += len(shown[-1])
        return begin + ', '.join(shown) + end

    def pair(self, key, value, depth):
        hidden = isinstance(key, str) and self.secret.search(key)
        return '{}: {}'.format(self.show(key, 1), HIDDEN if hidden else self.show(value, depth - 1))

    def describe(self, value, kind, depth):
        module = getattr(kind, '__module__', '')
        home = module.split('.')[0] if isinstance(module, str) else ''
        if home in ('numpy', 'torch', 'pandas', 'tensorflow', 'scipy', 'polars', 'jax', 'jaxlib', 'xgboost', 'lightgbm'):
            return self.array(value, kind, home)
        if home in TELLING:
            return repr(value)
        if issubclass(kind, BaseException):
            return '{}({})'.format(kind.__name__, ', '.join(self.show(one, depth - 1) for one in value.args[:4]))
        try:
            held = object.__getattribute__(value, '__dict__')
        except AttributeError:
            held = {}
        if depth <= 1 or type(held) is not dict:
            return '<{}>'.format(kind.__name__)
        names = self.items(held.items(), len(held), '(', ')', depth, lambda one: '{}={}'.format(
            one[0], HIDDEN if self.secret.search(str(one[0])) else self.show(one[1], depth - 2)))
        return kind.__name__ + names

    def array(self, value, kind, home):
        """Libraries that everybody knows, by what they say of themselves at once."""
        shape = getattr(value, 'shape', None)
        dtype = getattr(value, 'dtype', None)
        if home == 'pandas' and hasattr(value, 'columns'):
            columns = [str(name) for name in list(value.columns[:12])]
            return '{} {} columns {}{}'.format(kind.__name__, tuple(shape), ', '.join(columns),
                                               u', \u2026' if shape[1] > len(columns) else '')
        if shape is None:
            return '<{}>'.format(kind.__name__)
        if home == 'numpy' and getattr(value, 'size', 99) <= 20 and str(dtype) != 'object':
            return '{} {} {} {}'.format(kind.__name__, dtype, tuple(shape), value.tolist())
        try:
            return '{} {} {}'.format(kind.__name__, dtype, tuple(shape))
        except TypeError:
            return '{} {}'.format(kind.__name__, dtype)
