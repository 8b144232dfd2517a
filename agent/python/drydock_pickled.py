"""Reads what a pickle says of itself: its opcodes are followed with symbols for values. Nothing is imported or made.

A value is a text, an int, a short tuple, the wanted keys of a dict, a Named, a Made, a Long; OTHER stands for all others.
joblib since 0.10 (numpy_pickle.py, NumpyArrayWrapper) writes an array's bytes between the opcodes, right after the BUILD
of the wrapper that stands for it, whose state says how many there are.
"""
import pickletools
import re
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import deque

from drydock_boosters import in_pickle
from drydock_expanded import Long, Unread

MAX_MODULES = 200
MAX_VERSIONS = 10
MAX_STACK = 200000
#: Half of the memo is for whatever is put there, as the words of a vocabulary; the other for what is asked for later.
MAX_MEMO = 400000
#: numpy allows 64 dimensions; the state of a dtype has 9 parts.
MAX_TUPLE = 64
#: Of pickles within each other, and one after another.
MAX_INNER = 4
MAX_PICKLES = 20
#: torch.save before 1.6 (serialization.py, _legacy_save): a pickle of this number, four more, and the tensors' bytes.
TORCH = 0x1950a86a20f9469cfc6c
TORCH_PICKLES = 5

NAME = re.compile(r'[\w.<>-]+')
VERSION = re.compile(r'\d+\.\d[0-9A-Za-z.+]{0,30}')
SKLEARN = '_sklearn_version'
WRAPPER = {'shape', 'dtype', 'numpy_array_alignment_bytes'}
#: Where a booster's state has the model; LightGBM's has the underscore since 4.0.
HANDLES = ('handle', '_handle')
KEYS = WRAPPER.union(HANDLES)
#: What Python writes bytes with, by protocol: as a text that is encoded, and a bytearray of that.
CARRIERS = {('builtins', 'bytearray'), ('_codecs', 'encode')}

CODES = {code.encode('latin-1'): op for code, op in pickletools.code2op.items()}
SIZES = {pickletools.TAKEN_FROM_ARGUMENT1: 1, pickletools.TAKEN_FROM_ARGUMENT4: 4,
         pickletools.TAKEN_FROM_ARGUMENT4U: 4, pickletools.TAKEN_FROM_ARGUMENT8U: 8}
TEXTS = {'BINSTRING', 'SHORT_BINSTRING', 'SHORT_BINUNICODE', 'BINUNICODE', 'BINUNICODE8'}
BYTES = {'SHORT_BINBYTES', 'BINBYTES', 'BINBYTES8', 'BYTEARRAY8'}
UNSIGNED = {'BININT1', 'BININT2'}
SIGNED = {'BININT', 'LONG1', 'LONG4'}
EXTENDING = {'APPEND', 'APPENDS', 'ADDITEMS', 'SETITEM', 'SETITEMS'}

OTHER = object()
#: It was not kept, and might have been asked for.
FORGOTTEN = object()


class Named:
    def __init__(self, module, name):
        self.module = module
        self.name = name

    def is_wrapper(self):
        # scikit-learn before 0.23 has joblib in sklearn.externals.
        return self.name == 'NumpyArrayWrapper' and self.module.endswith('joblib.numpy_pickle')

    def is_dtype(self):
        return self.name == 'dtype' and self.module == 'numpy'

    def is_booster(self):
        return self.name == 'Booster' and self.module in ('xgboost.core', 'lightgbm.basic')


class Made:
    """An object of a class that is asked for."""

    def __init__(self, named, given):
        self.named = named
        self.given = given
        self.state = None


class Found:
    def __init__(self):
        self.sklearn = []
        self.boosters = []
        #: {module: name}
        self.modules = {}
        self.whole = True
        self.problem = None

    def stop(self, problem):
        self.whole = False
        self.problem = self.problem or problem

    def name(self, named):
        if len(self.modules) < MAX_MODULES:
            self.modules.setdefault(named.module, named.name)
        elif named.module not in self.modules:
            self.stop('it names more modules than are told')

    def version(self, value):
        if value is FORGOTTEN:
            self.stop('it holds more than is kept')
        elif isinstance(value, str) and VERSION.fullmatch(value) and value not in self.sklearn:
            self.sklearn = (self.sklearn + [value])[:MAX_VERSIONS]

    def booster(self, package, state):
        for key in HANDLES:
            handle = state.get(key) if isinstance(state, dict) else None
            booster = in_pickle(package, handle.head, handle.tail) if isinstance(handle, Long) else None
            if booster is not None and booster not in self.boosters:
                self.boosters = (self.boosters + [booster])[:MAX_VERSIONS]


def read_pickles(stream, found):
    """All that follow one another; false for what is no pickle. What was found stays where it raises Unread."""
    if not has_protocol(stream.ahead(2)):
        return read_unmarked(stream, found)
    is_torch = Machine(stream, found).run() == TORCH
    for _ in range(TORCH_PICKLES - 1 if is_torch else MAX_PICKLES):
        if not has_protocol(stream.ahead(2)):
            return True
        Machine(stream, found).run()
    if not is_torch:
        found.stop('it may hold more pickles than are read')
    return True


def read_unmarked(stream, found):
    """Protocols 0 and 1 have no head, and a text can begin as they do; but a memo they have, unless they end well."""
    if stream.ahead(1) not in (b'(', b']', b'}', b'c'):
        return False
    machine = Machine(stream, found)
    try:
        machine.run()
    except Unread:
        if machine.count == 0:
            return False
        raise
    return True


def has_protocol(head):
    return len(head) == 2 and head[0] == 0x80 and 2 <= head[1] <= 5


class Machine:
    def __init__(self, stream, found, inner=0):
        self.stream = stream
        self.found = found
        self.inner = inner
        self.protocol = 0
        self.stack = []
        self.marks = []
        self.memo = {}
        #: The last two texts, which may turn out to be the names of a class.
        self.recent = deque(maxlen=2)
        self.count = 0
        self.forgets = False

    def run(self):
        """The value that it ends with."""
        stream, stack = self.stream, self.stack
        while True:
            op = CODES.get(stream.take(1))
            if op is None:
                raise Unread('a byte of it is no opcode')
            raw = b'' if op.arg is None else self.argument(op.arg.n)
            name = op.name
            try:
                if name == 'STOP':
                    return self.taken(op)[0]
                if name == 'MARK':
                    self.marks.append(len(stack))
                elif name == 'POP' and self.marks and self.marks[-1] == len(stack):
                    self.marks.pop()
                else:
                    stack.extend(self.pushed(op, raw, self.taken(op)))
            except (IndexError, TypeError, ValueError) as error:
                raise Unread('its opcode %s has nothing to work on' % name) from error
            if len(stack) + len(self.marks) > MAX_STACK:
                raise Unread('it is nested too deep')

    def argument(self, kind):
        """Its bytes; a Long for more than MAX_TEXT."""
        if kind >= 0:
            return self.stream.take(kind)
        if kind == pickletools.UP_TO_NEWLINE:
            return self.stream.line()
        size = self.stream.take(SIZES[kind])
        length = int.from_bytes(size, 'little', signed=kind == pickletools.TAKEN_FROM_ARGUMENT4)
        if length < 0:
            raise Unread('a length in it is negative')
        return self.stream.text(length)

    def taken(self, op):
        """What pickletools says that the opcode takes: some values, and those above the last mark."""
        below, above = op.stack_before, []
        if pickletools.markobject in below:
            at = self.marks.pop()
            above = self.stack[at:]
            del self.stack[at:]
            below = below[:below.index(pickletools.markobject)]
        if not below:
            return above
        at = len(self.stack) - len(below)
        if at < (self.marks[-1] if self.marks else 0):
            raise IndexError
        values = self.stack[at:] + above
        del self.stack[at:]
        return values

    def pushed(self, op, raw, values):
        name = op.name
        if name in TEXTS:
            return (raw if isinstance(raw, Long) else raw.decode('utf-8', 'replace'),)
        if name in BYTES:
            return (raw if isinstance(raw, Long) else OTHER,)
        if name in UNSIGNED or name in SIGNED:
            return (OTHER if isinstance(raw, Long) else int.from_bytes(raw, 'little', signed=name in SIGNED),)
        act = ACTS.get(name)
        if act is not None:
            return (act(self, raw, values),)
        if name in EXTENDING:
            return (self.extended(values) if name.startswith('SET') else values[0],)
        if name == 'MEMOIZE':
            self.put(self.count, values[0])
            return values
        if name in ('PUT', 'BINPUT', 'LONG_BINPUT'):
            self.put(index(name, raw), self.stack[-1])
        elif name == 'PROTO':
            self.protocol = raw[0]
        elif name == 'DUP':
            return values * 2
        return [OTHER] * len(op.stack_after)

    def put(self, at, value):
        self.count += 1
        if isinstance(value, str):
            self.recent.append((at, value))
            is_asked = '.' in value or value in KEYS or value == SKLEARN
            self.keep(at, value, MAX_MEMO if is_asked else MAX_MEMO // 2)
        elif isinstance(value, (Named, Made)):
            self.keep(at, value, MAX_MEMO)

    def keep(self, at, value, limit):
        if len(self.memo) < limit:
            self.memo[at] = value
        else:
            self.forgets = True

    def get(self, name, raw):
        return self.memo.get(index(name, raw), FORGOTTEN if self.forgets else OTHER)

    def extended(self, values):
        target = values[0]
        for key, value in zip(values[1::2], values[2::2]):
            if not isinstance(key, str):
                continue
            if key == SKLEARN:
                self.found.version(value)
            elif isinstance(target, dict) and key in KEYS:
                target[key] = value
        return target

    def named(self, module, name):
        if FORGOTTEN in (module, name):
            self.found.stop('it holds more than is kept')
            return FORGOTTEN
        if not (isinstance(module, str) and isinstance(name, str) and NAME.fullmatch(module) and NAME.fullmatch(name)):
            raise Unread('a class of it has no name')
        for at, text in self.recent:
            if text in (module, name):
                self.keep(at, text, MAX_MEMO)
        if self.protocol < 3:
            # As Unpickler.find_class does with the names of Python 2.
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        named = Named(module, name)
        self.found.name(named)
        return named

    def lines(self, raw):
        second = self.stream.line()
        return self.named(*(line if isinstance(line, Long) else line.decode('utf-8', 'replace') for line in (raw, second)))

    def made(self, named, given):
        if isinstance(named, Named) and named.name == '_reconstructor' and isinstance(given, tuple) and given:
            # Protocols 0 and 1: copyreg._reconstructor(class, object, None).
            named = given[0]
        if named is FORGOTTEN:
            return FORGOTTEN
        if not isinstance(named, Named):
            return OTHER
        if (named.module, named.name) in CARRIERS and isinstance(given, tuple) and given and isinstance(given[0], Long):
            return given[0]
        is_asked = named.is_wrapper() or named.is_dtype() or named.is_booster()
        return Made(named, given) if is_asked else OTHER

    def built(self, made, state):
        if made is FORGOTTEN:
            raise Unread('it holds more than is kept')
        if not isinstance(made, Made):
            return made
        made.state = state
        if made.named.is_booster():
            self.found.booster(made.named.module.partition('.')[0], state)
        if not made.named.is_wrapper():
            return made
        self.skip_array(state if isinstance(state, dict) else {})
        return OTHER

    def skip_array(self, state):
        """numpy_pickle.py, read_array; joblib before 1.2 writes no padding, and no attribute for it."""
        size, has_objects = layout(state.get('dtype'))
        if has_objects:
            if self.inner >= MAX_INNER:
                raise Unread('it is nested too deep')
            Machine(self.stream, self.found, self.inner + 1).run()
            return
        for length in state['shape'] if isinstance(state.get('shape'), tuple) else (None,):
            if not isinstance(length, int) or length < 0:
                raise Unread('an array of it has no shape that is known')
            size *= length
        if isinstance(state.get('numpy_array_alignment_bytes'), int):
            self.stream.skip(self.stream.take(1)[0])
        self.stream.skip(size)


def index(name, raw):
    return int(raw) if name in ('GET', 'PUT') else int.from_bytes(raw, 'little')


def layout(dtype):
    """(bytes of an item, whether it has objects), as numpy.dtype.__reduce__ writes them: ('f8', …) and a state of which
    the 6th is the size where the name says none, else -1, and the 8th has the flag 1 for objects."""
    if isinstance(dtype, Made) and isinstance(dtype.given, tuple) and isinstance(dtype.state, tuple):
        code, state = dtype.given[:1], dtype.state
        if len(code) == 1 and len(state) > 7 and isinstance(state[5], int) and isinstance(state[7], int):
            if state[7] & 1:
                return 0, True
            if state[5] >= 0:
                return state[5], False
            if isinstance(code[0], str) and code[0][1:].isdigit():
                return int(code[0][1:]), False
    raise Unread('an array of it has no dtype that is known')


def number(line):
    """`I01` and `I00` are booleans, of which none is asked for."""
    return OTHER if isinstance(line, Long) else int(line.rstrip(b'L'))


def escaped(line):
    """A text of protocol 0, whose line ends and zeros are escaped."""
    if isinstance(line, Long):
        return Long(*(part.decode('raw-unicode-escape', 'replace').encode('utf-8') for part in (line.head, line.tail)))
    return line.decode('utf-8', 'replace')


def short(values):
    return tuple(values) if len(values) <= MAX_TUPLE else OTHER


ACTS = {
    'INT': lambda machine, raw, values: number(raw),
    'LONG': lambda machine, raw, values: number(raw),
    'STRING': lambda machine, raw, values: raw if isinstance(raw, Long) else raw[1:-1].decode('ascii', 'replace'),
    'UNICODE': lambda machine, raw, values: escaped(raw),
    'GET': lambda machine, raw, values: machine.get('GET', raw),
    'BINGET': lambda machine, raw, values: machine.get('BINGET', raw),
    'LONG_BINGET': lambda machine, raw, values: machine.get('LONG_BINGET', raw),
    'EMPTY_TUPLE': lambda machine, raw, values: (),
    'TUPLE': lambda machine, raw, values: short(values),
    'TUPLE1': lambda machine, raw, values: tuple(values),
    'TUPLE2': lambda machine, raw, values: tuple(values),
    'TUPLE3': lambda machine, raw, values: tuple(values),
    'EMPTY_DICT': lambda machine, raw, values: {},
    'DICT': lambda machine, raw, values: machine.extended([{}] + values),
    'GLOBAL': lambda machine, raw, values: machine.lines(raw),
    'INST': lambda machine, raw, values: machine.made(machine.lines(raw), short(values)),
    'STACK_GLOBAL': lambda machine, raw, values: machine.named(*values),
    'REDUCE': lambda machine, raw, values: machine.made(*values),
    'NEWOBJ': lambda machine, raw, values: machine.made(*values),
    'NEWOBJ_EX': lambda machine, raw, values: machine.made(*values[:2]),
    'OBJ': lambda machine, raw, values: machine.made(values[0], short(values[1:])),
    'BUILD': lambda machine, raw, values: machine.built(*values),
}
