"""Tells what the scoring worker's Python is, and what decides there what is logged and configured.

    python env.py '{"root": str, "folders": [str, …], "paths": [str, …]}'

`folders` are where azmlinfsrv looks for `config.json` and `logging.json`.
`paths` are absolute paths of which is told whether they are folders.
"""
import ast
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from drydock_probe import answer, begin, files_under, parsed

MAX_CONFIG = 1024 * 1024


def level(node):
    """`logging.DEBUG`, `'DEBUG'`, 10 → 'DEBUG'; null for what is computed."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Constant):
        return {10: 'DEBUG', 20: 'INFO', 30: 'WARNING', 40: 'ERROR', 50: 'CRITICAL'}.get(node.value, str(node.value))
    return None


def is_root(node):
    """`logging.root`, `logging.getLogger()`"""
    if isinstance(node, ast.Call):
        name = getattr(node.func, 'attr', None) or getattr(node.func, 'id', None)
        return name == 'getLogger' and not node.args
    return isinstance(node, ast.Attribute) and node.attr == 'root'


def levels_in(path):
    """Where a file sets the root logger's level: [{"file", "line", "level", "forced"}]; one that is not forced does
    nothing where the root logger has a handler (logging.basicConfig)."""
    found = []
    for node in ast.walk(parsed(path) or ast.Module(body=[], type_ignores=[])):
        if not isinstance(node, ast.Call) or not isinstance(node.func, (ast.Attribute, ast.Name)):
            continue
        name = getattr(node.func, 'attr', None) or getattr(node.func, 'id', None)
        if name == 'basicConfig':
            given = [word.value for word in node.keywords if word.arg == 'level']
            forced = any(word.arg == 'force' for word in node.keywords)
        elif name == 'setLevel' and isinstance(node.func, ast.Attribute) and is_root(node.func.value):
            given, forced = node.args[:1], True
        else:
            continue
        found += [{'file': path, 'line': node.lineno, 'level': level(value), 'forced': forced} for value in given]
    return found


def config_in(folders, name):
    """The first such file that is not empty: {"file", "keys"}, or with "problem" instead of keys."""
    for folder in folders:
        path = os.path.join(folder, name)
        try:
            if os.stat(path).st_size == 0:
                continue
            with open(path, encoding='utf-8') as file:
                value = json.loads(file.read(MAX_CONFIG))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            return {'file': path, 'problem': str(error)}
        if not isinstance(value, dict):
            return {'file': path, 'problem': 'it holds no JSON object'}
        root = value.get('root')
        return {'file': path, 'keys': sorted(value)[:50],
                'rootLevel': str(root.get('level')) if isinstance(root, dict) and 'level' in root else None}
    return None


def main():
    spec = begin()
    levels = []
    for path in files_under(spec['root'], lambda name: name.endswith('.py')):
        levels += levels_in(path)
    answer({
        'executable': sys.executable,
        'python': '%d.%d.%d' % sys.version_info[:3],
        'prefix': sys.prefix,
        'cwd': os.getcwd(),
        'uid': os.geteuid(),
        'levels': levels[:20],
        'config': config_in(spec['folders'], 'config.json'),
        'logging': config_in(spec['folders'], 'logging.json'),
        'folders': {path: os.path.isdir(path) for path in spec['paths']},
    })


main()
