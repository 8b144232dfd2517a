"""Tells what `Model.get_model_path` does in the serving worker's Python, and what it finds on its way.

    python model_path.py '{"entry": str|null, "root": str, "model": str|null, "version": int|null}'

Prints one JSON object on descriptor 3. Python 3.8 and later; run with the worker's folder, user and effective
environment, without which the answer would be another (azureml-core fixes MODELS_DIR at import, and looks relative
to the working folder last).
"""
import ast
import logging
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from drydock_probe import answer, begin, files_under, listing, parsed

MAX_LOG = 100
MAX_LINE = 500
MAX_VALUE = 100


LATER = object()  # an argument that only the running code knows


def value_of(node, names):
    """What a literal stands for, or a name that is bound to one; else LATER."""
    if isinstance(node, ast.Name):
        return names.get(node.id, LATER)
    try:
        return ast.literal_eval(node)
    except Exception:
        return LATER


def constants(tree):
    """{name: value} of the names that are bound to one literal and, in the whole file, to nothing else."""
    values = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            for target in getattr(node, 'targets', None) or [node.target]:
                values[target] = value_of(node.value, {})
    bound = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.alias):
            name = node.asname or node.name
        elif isinstance(node, ast.arg):
            name = node.arg
        else:
            continue
        bound.setdefault(name, []).append(values.get(node, LATER))
    return {name: found[0] for name, found in bound.items() if all(value == found[0] for value in found)}


def calls_in(path):
    """Calls of `….get_model_path(…)`: [{"file", "line", "model", "version"}]; an argument may be LATER."""
    tree = parsed(path)
    if tree is None:
        return []
    names = constants(tree)
    found = []
    for node in ast.walk(tree):
        # azureml's is a static method; a function of that name, or a method of self, is the user's own.
        if not isinstance(node, ast.Call) or getattr(node.func, 'attr', None) != 'get_model_path':
            continue
        if getattr(node.func.value, 'id', None) in ('self', 'cls'):
            continue
        given = dict(zip(('model_name', 'version'), node.args))
        given.update({word.arg: word.value for word in node.keywords})
        unpacks = None in given or any(isinstance(argument, ast.Starred) for argument in node.args)
        model = value_of(given['model_name'], names) if 'model_name' in given else LATER
        version = value_of(given['version'], names) if 'version' in given else LATER if unpacks else None
        found.append({'file': path, 'line': node.lineno, 'model': model, 'version': version})
    return found


def refused(model, version):
    """What azureml-core does not take for a name and for a version, as Python writes it; null for what it takes."""
    takes = isinstance(model, str) or model is LATER, version is None or version is LATER or type(version) is int
    return {'model': None if takes[0] else repr(model)[:MAX_VALUE], 'version': None if takes[1] else repr(version)[:MAX_VALUE]}


def told(call):
    """A call as it goes into the answer: null for what is LATER or of the wrong type."""
    model, version = call['model'], call['version']
    return dict(call, model=model if isinstance(model, str) else None, version=version if type(version) is int else None)


def sources(entry, root):
    """The entry script first; it may be a driver that Azure wrote, and the call be in another file."""
    if entry:
        yield entry
    yield from files_under(root, lambda name: name.endswith('.py'))


class Lines(logging.Handler):
    def __init__(self):
        logging.Handler.__init__(self, logging.DEBUG)
        self.lines = []

    def emit(self, record):
        if len(self.lines) < MAX_LOG:
            self.lines.append(record.getMessage().strip()[:MAX_LINE])


def load():
    """azureml's Model, its MODELS_DIR and version; or what its import raised."""
    try:
        import azureml.core
        from azureml.core import model
        return model, {'version': str(azureml.core.VERSION), 'modelsDir': str(model.MODELS_DIR)}
    except BaseException as error:
        return None, {'type': type(error).__name__, 'message': str(error)}


def ask(model, name, version):
    lines = Lines()
    logger = logging.getLogger('azureml.core.model')
    logger.addHandler(lines)
    logger.setLevel(logging.DEBUG)
    try:
        path = model.Model.get_model_path(name, version)
        outcome = {'path': str(path), 'absolute': os.path.abspath(path), 'isFolder': os.path.isdir(path)}
    except BaseException as error:
        outcome = {'type': type(error).__name__, 'message': str(getattr(error, 'message', None) or error)}
    return dict(outcome, log=[line for line in lines.lines if 'RunEnvironment' not in line])


def models_in(folder):
    """{model: {version: [entry, …]}}, as deep as get_model_path looks."""
    found = {}
    for name in listing(folder) or []:
        inside = os.path.join(folder, name)
        versions = listing(inside) or []
        found[name.rstrip('/')] = {version.rstrip('/'): listing(os.path.join(inside, version)) for version in versions}
    return found


def main():
    spec = begin()
    calls, seen = [], set()
    for path in sources(spec['entry'], spec['root']):
        if os.path.realpath(path) not in seen:
            seen.add(os.path.realpath(path))
            calls += calls_in(path)
    model, azureml = load()
    folder = azureml.get('modelsDir') or os.path.join(os.environ.get('AML_APP_ROOT', ''), 'azureml-models')
    models = models_in(folder)
    call = None if spec['model'] else next((call for call in calls if call['model'] is not LATER), None)
    name, source = spec['model'], 'asked' if spec['model'] else 'call' if call else None
    if call:
        name = call['model']
    elif name is None and len(models) == 1:
        name, source = next(iter(models)), 'only'
    version = call['version'] if call and spec['version'] is None else spec['version']
    known = None if version is LATER else version
    directory = os.environ.get('AZUREML_MODEL_DIR')
    root = os.environ.get('AML_APP_ROOT')
    asked = told({'model': name, 'version': version})
    answer({
        'executable': sys.executable,
        'python': '%d.%d.%d' % sys.version_info[:3],
        'cwd': os.getcwd(),
        'azureml': azureml,
        'folder': os.path.abspath(folder),
        'there': listing(folder),
        'models': models,
        'appRoot': None if root is None else {'path': root, 'models': listing(os.path.join(root, 'azureml-models'))},
        'calls': [told(call) for call in calls],
        'call': call and told(call),
        'name': asked['model'],
        'source': source,
        'version': asked['version'],
        'isVersionLater': version is LATER,
        'refused': refused(name if source else LATER, version),
        'answer': None if model is None or source is None else ask(model, name, known),
        'modelDir': None if directory is None else {'path': directory, 'absolute': os.path.abspath(directory),
                                                    'there': listing(directory)},
    })


main()
