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


def literal(node, names):
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return names.get(node.id)
    return None


def calls_in(path):
    """Calls of `….get_model_path(…)`: [{"file", "line", "model", "version"}]; null where it isn't a literal."""
    tree = parsed(path)
    if tree is None:
        return []
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    names[target.id] = node.value.value
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, 'attr', None) or getattr(node.func, 'id', None)
        if name != 'get_model_path':
            continue
        given = dict(zip(('model_name', 'version'), node.args))
        given.update({word.arg: word.value for word in node.keywords})
        model, version = (literal(given.get(key), names) for key in ('model_name', 'version'))
        found.append({'file': path, 'line': node.lineno, 'model': model if isinstance(model, str) else None,
                      'version': version if isinstance(version, int) else None})
    return found


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
            self.lines.append(record.getMessage())


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
    logger = logging.getLogger('azureml')
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
    call = next((call for call in calls if call['model']), None)
    name = spec['model'] or (call and call['model'])
    source = 'asked' if spec['model'] else 'call' if name else None
    if name is None and len(models) == 1:
        name, source = next(iter(models)), 'only'
    version = spec['version'] if spec['version'] is not None or spec['model'] else call and call['version']
    directory = os.environ.get('AZUREML_MODEL_DIR')
    answer({
        'executable': sys.executable,
        'python': '%d.%d.%d' % sys.version_info[:3],
        'cwd': os.getcwd(),
        'azureml': azureml,
        'folder': os.path.abspath(folder),
        'there': listing(folder),
        'models': models,
        'calls': calls,
        'call': call if source == 'call' else None,
        'name': name,
        'source': source,
        'version': version,
        'answer': None if model is None or name is None else ask(model, name, version),
        'modelDir': None if directory is None else {'path': directory, 'absolute': os.path.abspath(directory),
                                                    'there': listing(directory)},
    })


main()
