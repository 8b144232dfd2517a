"""Tells what made the model files, and what of it is installed. Nothing is unpickled and nothing imported.

    python model.py '{"folders": [str, …], "path": …}'

joblib writes arrays between the opcodes, where an opcode parser loses its place: so the bytes are searched for what
pickles hold (scikit-learn's `_sklearn_version` beside its value, and the names of classes), compressed files as they are
expanded. All is bounded: files, bytes, time.
"""
import bz2
import importlib.machinery
import importlib.metadata
import importlib.util
import lzma
import os
import re
import struct
import sys
import time
import zlib
from _compat_pickle import IMPORT_MAPPING

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from drydock_probe import answer, begin

SUFFIXES = ('.pkl', '.pickle', '.joblib', '.sav', '.jl', '.p')
MAX_FILES = 50
MAX_ENTRIES = 20000
MAX_BYTES = 512 * 1024 * 1024
MAX_SECONDS = 30
CHUNK = 1024 * 1024
#: Longer than anything that is searched for.
OVERLAP = 2048
MAX_MODULES = 200
MAX_MLMODEL = 256 * 1024

#: A text as protocols 0 to 5 write it, with what may stand between two of them: a memo, the head of a frame.
BETWEEN = rb'(?:q.|r.{4}|\x94|p\d+\n|\x95.{8})*'
VERSION = re.compile(rb'_sklearn_version\n?' + BETWEEN +
                     rb'(?:\x8c(.)|X(.)\x00\x00\x00|V|U(.))(\d[0-9A-Za-z.+]{0,30})', re.S)
#: GLOBAL, with the memo that always follows it, up to protocol 3; STACK_GLOBAL from 4 on.
GLOBAL = re.compile(rb'c([A-Za-z_][\w.]{0,200})\n([A-Za-z_]\w{0,200})\n(?:q|r|p\d+\n)')
STACK = re.compile(rb'\x8c(.)([A-Za-z_][\w.]{0,200})(?:\x94|\x95.{8})+\x8c(.)([A-Za-z_]\w{0,200})(?:\x94|\x95.{8})+\x93', re.S)


def expanded(file, head):
    """The file's bytes in chunks, expanded; null for a compression that the standard library does not know."""
    makers = ((b'\x1f\x8b', lambda: zlib.decompressobj(31)), (b'BZh', bz2.BZ2Decompressor),
              (b'\xfd7zXZ', lzma.LZMADecompressor), (b'\x5d\x00\x00', lzma.LZMADecompressor))
    maker = next((made for magic, made in makers if head.startswith(magic)), None)
    if maker is None and len(head) > 1 and head[0] == 0x78 and struct.unpack('>H', head[:2])[0] % 31 == 0:
        maker = zlib.decompressobj
    if head.startswith(b'\x04"M\x18'):
        return None
    return plain(file) if maker is None else inflated(file, maker())


def plain(file):
    while True:
        data = file.read(CHUNK)
        if not data:
            return
        yield data


def inflated(file, machine):
    """At most CHUNK at a time, however much a few bytes expand to."""
    while not machine.eof:
        waiting = getattr(machine, 'unconsumed_tail', b'')
        needs = getattr(machine, 'needs_input', not waiting)
        data = (file.read(64 * 1024) if needs else waiting)
        if needs and not data:
            return
        out = machine.decompress(data, CHUNK)
        if out:
            yield out


def scan(path, end):
    """{"sklearn": [version, …], "modules": {module: class}, "whole": bool}; null for what is no pickle."""
    with open(path, 'rb') as file:
        head = file.read(16)
        file.seek(0)
        chunks = expanded(file, head)
        if chunks is None:
            return {'sklearn': [], 'modules': {}, 'whole': False, 'problem': 'lz4 is not read here'}
        versions, modules, seen, rest, is_whole, protocol = [], {}, 0, b'', True, 0
        for data in chunks:
            if seen == 0 and not (data[:1] == b'\x80' or (data[:1] in b'(]}c' and b'\n' in data[:400])):
                return None
            if seen == 0 and data[:1] == b'\x80':
                protocol = data[1]
            seen += len(data)
            text = rest + data
            for found in VERSION.finditer(text):
                length = found.group(1) or found.group(2) or found.group(3)
                version = found.group(4)[:length[0]] if length else found.group(4)
                version = version.decode('ascii')
                if version not in versions and len(versions) < 10:
                    versions.append(version)
            for found in STACK.finditer(text) if protocol > 3 else ():
                # The first of two lengths may belong to a longer text; both must be right.
                if found.group(1)[0] == len(found.group(2)) and found.group(3)[0] == len(found.group(4)):
                    note(modules, found.group(2), found.group(4))
            for found in GLOBAL.finditer(text) if protocol < 4 else ():
                note(modules, found.group(1), found.group(2))
            rest = text[-OVERLAP:]
            if seen > MAX_BYTES or time.monotonic() > end:
                is_whole = False
                break
    return {'sklearn': versions, 'modules': modules, 'whole': is_whole, 'problem': None}


def note(modules, module, name):
    if len(modules) < MAX_MODULES:
        # Up to protocol 2 Python 2's names are written.
        module = module.decode('ascii')
        modules.setdefault(IMPORT_MAPPING.get(module, module), name.decode('ascii'))


def scanned(path, end):
    try:
        return scan(path, end)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        return {'sklearn': [], 'modules': {}, 'whole': False, 'problem': '%s: %s' % (type(error).__name__, error)}


def mlmodel(path):
    """Versions that an MLmodel file names, as {flavor.key: version}: lines of two spaces a level."""
    found, levels = {}, []
    with open(path, encoding='utf-8', errors='replace') as file:
        for line in file.read(MAX_MLMODEL).splitlines():
            match = re.match(r'( *)([\w.-]+):\s*(.*)$', line)
            if match is None:
                continue
            depth = len(match.group(1))
            levels = [(at, name) for at, name in levels if at < depth]
            value = match.group(3).strip().strip('\'"')
            levels.append((depth, match.group(2)))
            if value and (match.group(2).endswith('version') or match.group(2) == 'loader_module'):
                found['.'.join(name for _, name in levels if name != 'flavors')] = value
    return found


def exists(module):
    """Whether the worker's Python has the module; its packages are looked into and not run."""
    parts = module.split('.')
    try:
        spec = importlib.util.find_spec(parts[0])
    except (ImportError, ValueError, AttributeError):
        return parts[0] in sys.modules
    for at in range(1, len(parts)):
        if spec is None:
            return False
        places = spec.submodule_search_locations
        if places is None:
            return True
        spec = importlib.machinery.PathFinder.find_spec('.'.join(parts[:at + 1]), list(places))
    return spec is not None


def version_of(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def files_in(folders):
    """Model files and MLmodel files, each once; whether that is all of them."""
    found, entries, seen = [], 0, set()
    for top in folders:
        for folder, inner, names in os.walk(top):
            inner[:] = sorted(name for name in inner if name not in ('.git', '__pycache__', 'node_modules',
                                                                     'site-packages', 'dist-packages'))
            entries += len(names) + len(inner)
            for name in sorted(names):
                path = os.path.join(folder, name)
                if (name == 'MLmodel' or name.lower().endswith(SUFFIXES)) and os.path.realpath(path) not in seen:
                    seen.add(os.path.realpath(path))
                    found.append(path)
            if len(found) > MAX_FILES or entries > MAX_ENTRIES:
                return found[:MAX_FILES], False
    return found, True


DISTRIBUTIONS = ('scikit-learn', 'xgboost', 'lightgbm', 'torch', 'tensorflow', 'mlflow', 'mlflow-skinny')


def main():
    spec = begin()
    end = time.monotonic() + MAX_SECONDS
    paths, is_all = files_in(spec['folders'])
    models, descriptions = [], []
    for path in paths:
        if os.path.basename(path) == 'MLmodel':
            try:
                descriptions.append({'file': path, 'versions': mlmodel(path)})
            except OSError:
                pass
            continue
        if time.monotonic() > end or not os.path.isfile(path):
            is_all = False
            continue
        found = scanned(path, end)
        if found is not None:
            own = found['modules'].pop('__main__', None)
            missing = sorted(module for module in found['modules'] if not exists(module))
            tops = sorted({module.split('.')[0] for module in found['modules']})
            models.append({'file': path, 'sklearn': found['sklearn'], 'packages': tops, 'missing': missing, 'main': own,
                           'whole': found['whole'], 'problem': found['problem']})
    answer({
        'models': models,
        'descriptions': descriptions,
        'all': is_all,
        'python': '%d.%d.%d' % sys.version_info[:3],
        'installed': {name: version_of(name) for name in DISTRIBUTIONS},
    })


main()
