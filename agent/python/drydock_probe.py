"""What the probes in the worker's Python have in common: what they are told, the worker's import path, the answer.

Each is run as `python PROBE.py SPEC`, and answers with one JSON object on descriptor 3. Python 3.8 and later. `SPEC` may
have `"path": {"first": [folder, …], "last": [folder, …], "azmlinfsrv": bool}`: what the server puts before and behind
Python's own folders, and whether azmlinfsrv puts its own there, too.
"""
import json
import os
import sys

MAX_FILES = 200
MAX_LISTED = 50
SKIPPED = {'__pycache__', 'node_modules', 'azureml-models', 'site-packages', 'dist-packages'}


def begin():
    """The spec; from now on `sys.path` is the worker's."""
    os.set_inheritable(3, False)
    here = os.path.dirname(os.path.realpath(__file__))
    spec = json.loads(sys.argv[1])
    path = spec.get('path') or {'first': [], 'last': [], 'azmlinfsrv': False}
    own = [folder for folder in sys.path if os.path.realpath(folder) != here]
    sys.path[:] = [folder for folder in path['first'] if folder not in own] + own
    last = own_folder() + path['last'] if path['azmlinfsrv'] else path['last']
    sys.path += [folder for folder in last if folder not in sys.path]
    return spec


def own_folder():
    """azmlinfsrv's `server/`, which its import appends to the path: `import utils` may find the one in there."""
    from importlib.util import find_spec
    spec = find_spec('azureml_inference_server_http')
    return [os.path.join(os.path.dirname(spec.origin), 'server')] if spec and spec.origin else []


def answer(facts):
    data = json.dumps(facts).encode('ascii')
    while data:
        data = data[os.write(3, data):]


def listing(folder):
    """Sorted names in a folder, folders with a slash; null when there is no such folder."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return None
    return [name + '/' if os.path.isdir(os.path.join(folder, name)) else name for name in names[:MAX_LISTED]]


def files_under(root, wanted):
    """At most MAX_FILES files whose name is `wanted`, hidden folders and those of packages left out."""
    count = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith('.') and name not in SKIPPED)
        for name in sorted(files):
            if wanted(name) and count < MAX_FILES:
                count += 1
                yield os.path.join(folder, name)


def parsed(path):
    """The file's syntax tree; null when it can't be read or compiled."""
    import ast
    try:
        with open(path, 'rb') as file:
            return ast.parse(file.read(), path)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
