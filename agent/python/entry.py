"""Tells what the entry script is, without running it: whether it can be read and compiled, and what init() and run() are.

    python entry.py '{"script": str, "root": str, "path": …}'
"""
import ast
import importlib.util
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from drydock_probe import answer, begin, files_under, listing, parsed

WANTED = ('init', 'run')
MAX_OTHERS = 5


def read(path):
    """(kind, source): `file`, `folder`, `missing` or `unreadable`."""
    if os.path.isdir(path):
        return 'folder', None
    try:
        with open(path, 'rb') as file:
            return 'file', file.read()
    except FileNotFoundError:
        return 'missing', None
    except OSError:
        return 'unreadable', None


def compiled(source, path):
    """What the compiler says, null when nothing."""
    try:
        compile(source, path, 'exec', dont_inherit=True)
    except SyntaxError as error:
        return {'type': type(error).__name__, 'message': str(error.msg), 'line': error.lineno or 0}
    except (ValueError, RecursionError) as error:
        return {'type': type(error).__name__, 'message': str(error), 'line': 0}
    return None


def statements(body):
    """Those that run when the module is loaded, inside of `if`, `try` and `with` as well."""
    for node in body:
        yield node
        for field in ('body', 'orelse', 'finalbody'):
            if isinstance(node, (ast.If, ast.Try, ast.With, ast.For, ast.While)):
                yield from statements(getattr(node, field, []))
        for handler in getattr(node, 'handlers', []):
            yield from statements(handler.body)


def function(node):
    """How it may be called: arguments that must be given, and `*`, `**` or positional-only ones."""
    given = node.args
    required = len(given.args) + len(given.posonlyargs) - len(given.defaults)
    required += sum(1 for default in given.kw_defaults if default is None)
    return {'line': node.lineno, 'from': None, 'required': required, 'decorated': bool(node.decorator_list),
            'free': bool(given.vararg or given.kwarg or given.posonlyargs)}


def other(line, module=None):
    return {'line': line, 'from': module, 'required': 0, 'decorated': True, 'free': False}


def names_in(tree):
    """({'init': …, 'run': …}, whether `from … import *` may bring more, the module called `driver_module`)."""
    found, stars, driver = {}, False, None
    for node in statements(tree.body):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found[node.name] = function(node)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                stars = stars or alias.name == '*'
                found[alias.asname or alias.name] = other(node.lineno, node.module)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name] = other(node.lineno)
                if alias.asname == 'driver_module':
                    driver = alias.name
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        found[name.id] = other(node.lineno)
        elif isinstance(node, ast.ClassDef):
            found[node.name] = other(node.lineno)
    return {name: found.get(name) for name in WANTED}, stars, driver


def called(tree):
    """{name: module} of `from module import name as …` and `module.run()` inside of init() and run()."""
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update({alias.asname or alias.name: alias.name for alias in node.names})
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == 'run':
            for inner in ast.walk(node):
                if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute) and inner.func.attr == 'run' \
                        and isinstance(inner.func.value, ast.Name):
                    return modules.get(inner.func.value.id)
    return None


def where(module):
    """The source of a top-level module; null for others, which only an import finds."""
    if not module or '.' in module:
        return None
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    return spec and spec.origin


def others(root, script):
    """Scripts that have both functions."""
    found = []
    for path in files_under(root, lambda name: name.endswith('.py')):
        tree = None if os.path.realpath(path) == os.path.realpath(script) else parsed(path)
        if tree is not None and all(names_in(tree)[0].values()):
            found.append(path)
        if len(found) == MAX_OTHERS:
            break
    return found


def main():
    spec = begin()
    script = spec['script']
    kind, source = read(script)
    error = None if source is None else compiled(source, script)
    tree = None if source is None or error else parsed(script)
    names, stars, driver = names_in(tree) if tree else ({name: None for name in WANTED}, False, None)
    run = names['run']
    module = driver or (run and run['from']) or (called(tree) if tree else None)
    lacks = tree is None or (not stars and not all(names.values()))
    answer({
        'kind': kind,
        'error': error,
        'names': names,
        'stars': stars,
        'isDriver': driver is not None,
        'module': module,
        'moduleFile': where(module),
        'others': others(spec['root'], script) if lacks and error is None else [],
        'beside': listing(os.path.dirname(script)),
    })


main()
