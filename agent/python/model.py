"""Tells what made the model files, and what of it is installed. Nothing is unpickled and nothing imported.

    python model.py '{"folders": [str, …], "path": …}'

A pickle names its classes, scikit-learn puts `_sklearn_version` into the state of each of its own, and a booster's state
holds the model as a file of its own would. All is bounded: files, bytes, time.
"""
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from drydock_boosters import in_file
from drydock_expanded import Unread, opened
from drydock_pickled import Found, read_pickles
from drydock_probe import answer, begin

SUFFIXES = ('.pkl', '.pickle', '.joblib', '.sav', '.jl', '.p', '.pt', '.pth', '.ckpt')
#: Of boosters' files, and of many others that are none.
NATIVE = ('.json', '.ubj', '.bst', '.model', '.xgb', '.bin', '.txt', '.lgb')
MAX_FILES = 50
MAX_ENTRIES = 20000
MAX_SECONDS = 30
MAX_MLMODEL = 256 * 1024


def scanned(path, end):
    """What was found, also of a file that can't be read to its end; null for what is no pickle."""
    found = Found()
    try:
        with open(path, 'rb') as file:
            stream = opened(file, end)
            if stream is None or not read_pickles(stream, found):
                return None
    except Unread as error:
        found.stop(str(error))
    except Exception as error:
        # What zlib, lzma and zipfile make of broken files they say nowhere, and the other files are to be told.
        found.stop('%s: %s' % (type(error).__name__, error))
    return found


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


def files_in(folders, end):
    """[(path, booster), …] of model files and MLmodel files, each once; whether that is all of them."""
    found, entries, seen = [], 0, set()
    for top in folders:
        for folder, inner, names in os.walk(top):
            inner[:] = sorted(name for name in inner if name not in ('.git', '__pycache__', 'node_modules',
                                                                     'site-packages', 'dist-packages'))
            entries += len(names) + len(inner)
            for name in sorted(names):
                is_named = name == 'MLmodel' or name.lower().endswith(SUFFIXES)
                path = os.path.join(folder, name)
                if not (is_named or name.lower().endswith(NATIVE)) or os.path.realpath(path) in seen:
                    continue
                seen.add(os.path.realpath(path))
                booster = in_file(path)
                if is_named or booster is not None:
                    found.append((path, booster))
                if len(found) > MAX_FILES or time.monotonic() > end:
                    return found[:MAX_FILES], False
            if entries > MAX_ENTRIES:
                return found, False
    return found, True


DISTRIBUTIONS = ('scikit-learn', 'xgboost', 'lightgbm', 'torch', 'tensorflow', 'mlflow', 'mlflow-skinny')
#: The same package without its libraries for GPUs.
SMALLER = {'xgboost': 'xgboost-cpu'}


def main():
    spec = begin()
    end = time.monotonic() + MAX_SECONDS
    files, is_all = files_in(spec['folders'], end)
    models, natives, descriptions = [], [], []
    for path, booster in files:
        if booster is not None:
            natives.append({'file': path, 'booster': booster})
            continue
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
            own = found.modules.pop('__main__', None)
            missing = sorted(module for module in found.modules if not exists(module))
            tops = sorted({module.split('.')[0] for module in found.modules})
            models.append({'file': path, 'sklearn': found.sklearn, 'boosters': found.boosters, 'packages': tops,
                           'missing': missing, 'main': own, 'whole': found.whole, 'problem': found.problem})
    answer({
        'models': models,
        'natives': natives,
        'descriptions': descriptions,
        'all': is_all,
        'python': '%d.%d.%d' % sys.version_info[:3],
        'installed': {name: version_of(name) or version_of(SMALLER.get(name, name)) for name in DISTRIBUTIONS},
    })


main()
