"""Tells of the modules that the entry script needs: which are found, where, and what their import raises.

    python imports.py '{"script": str, "root": str, "path": …, "provided": [module, …], "tries": bool}'
    python imports.py '{"path": …, "names": [module, …]}'

The user's own modules are read and not run. Installed ones are imported in a process of its own, in the script's order:
only an import tells of compiled parts that do not fit. Without `tries` that is left to the second form, for some names.
"""
import ast
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from drydock_probe import answer, begin, files_under, own_folder, parsed

MAX_SOURCES = 200
MAX_TRIES = 60
#: Of all tries together.
TRY_SECONDS = 60
SOURCES = importlib.machinery.SOURCE_SUFFIXES


class Scan(ast.NodeVisitor):
    """The imports of one file: [(module, line, need)], need `load` for those that loading the file does for certain,
    `call` for those of init() and run() in the entry script, `maybe` for all others."""

    def __init__(self, is_entry):
        self.is_entry = is_entry
        self.need = 'load'
        self.found = []
        self.parts = []
        self.relative = []
        self.touches_path = False

    def within(self, need, nodes):
        before, self.need = self.need, need if self.need != 'maybe' else 'maybe'
        for node in nodes:
            self.visit(node)
        self.need = before

    def visit_Import(self, node):
        self.found += [(alias.name, node.lineno, self.need) for alias in node.names]

    def visit_ImportFrom(self, node):
        if node.level:
            self.relative.append((node.level, node.module, [alias.name for alias in node.names], node.lineno, self.need))
        elif node.module:
            self.found.append((node.module, node.lineno, self.need))
            self.parts += [(node.module, alias.name, node.lineno, self.need) for alias in node.names]

    def visit_FunctionDef(self, node):
        called = self.is_entry and node.name in ('init', 'run') and self.need == 'load'
        self.within('call' if called else 'maybe', node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_If(self, node):
        self.within('maybe', node.body + node.orelse)

    def visit_Try(self, node):
        # Whatever it catches, the code after it goes on without the module.
        self.within('maybe' if node.handlers else self.need, node.body + node.orelse)
        self.within('maybe', [inner for handler in node.handlers for inner in handler.body])
        self.within(self.need, node.finalbody)

    visit_TryStar = visit_Try

    def visit_Attribute(self, node):
        if isinstance(node.value, ast.Name) and node.value.id == 'sys' and node.attr in ('path', 'modules', 'meta_path'):
            self.touches_path = True
        self.generic_visit(node)

    def visit_Call(self, node):
        name = getattr(node.func, 'attr', None) or getattr(node.func, 'id', None)
        self.touches_path = self.touches_path or name in ('addsitedir', 'chdir')
        self.generic_visit(node)


def spec_of(module):
    """(spec, missing part) as Python finds it, without running anything but finders; the first part decides."""
    parts = module.split('.')
    try:
        spec = importlib.util.find_spec(parts[0])
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None:
        return None, parts[0]
    for at in range(1, len(parts)):
        name = '.'.join(parts[:at + 1])
        places = spec.submodule_search_locations
        if places is None:
            return spec, None
        inner = importlib.machinery.PathFinder.find_spec(name, list(places))
        if inner is None:
            # Code of the package may make it; a package without code can't.
            return spec, name if spec.origin in (None, 'namespace') else None
        spec = inner
    return spec, None


def kind_of(spec, root):
    if spec.origin in ('built-in', 'frozen'):
        return 'python'
    places = [spec.origin] if spec.origin and spec.origin != 'namespace' else list(spec.submodule_search_locations or [])
    place = os.path.realpath(places[0]) if places else ''
    if '/site-packages/' in place + '/' or '/dist-packages/' in place + '/':
        return 'package'
    if place.startswith(os.path.realpath(root) + os.sep):
        return 'local'
    library = [os.path.dirname(os.path.realpath(os.__file__))]
    return 'python' if any(place.startswith(folder + os.sep) for folder in library) else 'package'


def source_of(spec):
    return spec.origin if spec.origin and spec.origin.endswith(tuple(SOURCES)) else None


def near(module, root):
    """Where the root has a module of that name, or one that differs in case or by `-` and `_` only."""
    def key(name):
        return name.lower().replace('-', '_')
    top = key(module.split('.')[0])
    found = []
    for path in files_under(root, lambda name: name.endswith('.py')):
        folder, name = os.path.split(path)
        if key(name[:-3]) == top:
            found.append(path)
        elif name == '__init__.py' and key(os.path.basename(folder)) == top:
            found.append(folder)
    plain = os.path.join(root, module.split('.')[0])
    return (found or ([plain] if os.path.isdir(plain) else []))[:5]


def reach(script, root, provided):
    """Every import from the script on: {module: {…}}, the files that were read, what is imported relatively."""
    modules, read, relative, touches = {}, [], [], False
    waiting, seen = [(script, None, 'load')], set()
    while waiting and len(read) < MAX_SOURCES:
        path, package, need = waiting.pop(0)
        if os.path.realpath(path) in seen:
            continue
        seen.add(os.path.realpath(path))
        tree = parsed(path)
        if tree is None:
            continue
        read.append(path)
        scan = Scan(path == script)
        scan.visit(tree)
        touches = touches or scan.touches_path
        for level, module, names, line, inner in scan.relative:
            if package is None:
                relative.append({'file': path, 'line': line, 'need': inner})
                continue
            base = package.split('.')
            base = '.'.join(base[:len(base) - level + 1])
            scan.found += [('.'.join(filter(None, (base, module, name))), line, inner)
                           for name in ([None] if module else names)]
        # What is imported from a package of the user's may be a module in it.
        for module, name, line, inner in scan.parts:
            spec, missing = spec_of(module)
            if spec is not None and not missing and kind_of(spec, root) == 'local' and spec.submodule_search_locations:
                found = importlib.machinery.PathFinder.find_spec(
                    module + '.' + name, list(spec.submodule_search_locations))
                if found is not None:
                    scan.found.append((module + '.' + name, line, inner))
        for module, line, inner in scan.found:
            wanted = 'maybe' if 'maybe' in (inner, need) else inner
            known = modules.get(module)
            if known is None or (known['need'] == 'maybe' and wanted != 'maybe'):
                modules[module] = {'file': path, 'line': line, 'need': wanted}
            if known is not None or module in provided or any(module.startswith(name + '.') for name in provided):
                continue
            # The packages above it are loaded, too.
            parts = module.split('.')
            for at in range(1, len(parts) + 1):
                spec, missing = spec_of('.'.join(parts[:at]))
                source = None if spec is None or missing else source_of(spec)
                if source is not None and kind_of(spec, root) == 'local':
                    is_package = spec.submodule_search_locations is not None
                    name = '.'.join(parts[:at])
                    waiting.append((source, name if is_package else name.rpartition('.')[0] or None, wanted))
    return modules, read, relative, touches


TRY = '''
import importlib, json, sys
names = json.loads(sys.argv[1])
for name in names:
    print("\\ndrydock-try " + name, flush=True)
    try:
        importlib.import_module(name)
    except BaseException as error:
        print("\\ndrydock-error " + json.dumps([name, type(error).__name__, str(error)]), flush=True)
print("\\ndrydock-done", flush=True)
'''


def tries(names, path):
    """[{"module", "type", "message"}] of the imports that fail, and what was not reached in time."""
    command = [sys.executable, '-c', 'import sys, json; sys.path[:] = json.loads(sys.argv.pop(1))' + TRY,
               json.dumps(path), json.dumps(names)]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             start_new_session=True)
    try:
        output, _ = child.communicate(timeout=TRY_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, 9)
        output, _ = child.communicate()
    lines = output.decode('utf-8', 'replace').splitlines()
    begun = [line[12:] for line in lines if line.startswith('drydock-try ')]
    failed = []
    for line in lines:
        if line.startswith('drydock-error '):
            name, kind, message = json.loads(line[14:])
            failed.append({'module': name, 'type': kind, 'message': message[:2000]})
    done = 'drydock-done' in lines
    if not done and begun and child.returncode not in (None, -9):
        last = begun.pop()
        failed.append({'module': last, 'type': 'Crashed', 'message': 'Python ended by signal or exit code %d: %s' % (
            child.returncode, ' '.join(line for line in lines[-4:] if not line.startswith('drydock-'))[:1000])})
    elif not done and begun:
        begun.pop()
    return failed, [] if done else [name for name in names if name not in begun and name not in
                                    [failure['module'] for failure in failed]]


def shadowed(modules, script):
    """Files beside the entry script that another module of the same name hides."""
    beside = os.path.dirname(script)
    found = []
    for module in sorted({name.split('.')[0] for name in modules}):
        own = os.path.join(beside, module + '.py')
        spec, _ = spec_of(module)
        if spec is not None and os.path.isfile(own) and spec.origin and \
                os.path.realpath(spec.origin) != os.path.realpath(own):
            found.append({'module': module, 'own': own, 'taken': spec.origin,
                          'isServers': spec.origin.startswith(tuple(own_folder()) or ('\0',))})
    return found


def main():
    spec = begin()
    if 'names' in spec:
        failed, untried = tries(spec['names'][:MAX_TRIES], sys.path)
        answer({'failed': failed, 'untried': untried + spec['names'][MAX_TRIES:]})
        return
    script, root, provided = spec['script'], spec['root'], spec['provided']
    modules, read, relative, touches = reach(script, root, provided)
    facts = []
    for name in modules:
        known = modules[name]
        if name in provided or any(name.startswith(given + '.') for given in provided):
            facts.append(dict(known, module=name, kind='provided', origin=None, missing=None, near=[]))
            continue
        found, missing = spec_of(name)
        kind = 'missing' if missing else kind_of(found, root)
        facts.append(dict(known, module=name, kind=kind, origin=found and found.origin, missing=missing,
                          near=near(name, root) if missing else []))
    needed = [fact['module'] for fact in facts if fact['kind'] == 'package' and fact['need'] != 'maybe'][:MAX_TRIES]
    failed, untried = tries(needed, sys.path) if needed and spec['tries'] else ([], [])
    answer({
        'modules': facts,
        'files': read,
        'relative': relative,
        'touchesPath': touches,
        'searched': sys.path,
        'shadowed': shadowed(modules, script),
        'failed': failed,
        'untried': untried,
    })


main()
