"""Compares the installed packages with the project's requirements, and with each other.

    python packages.py '{"folders": [str, …], "servers": [package, …], "path": …}'

Only packages count that the requirements, the servers or what those need name: others serve nobody.
"""
import importlib.metadata
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from drydock_probe import answer, begin

PIP_FILES = ('requirements.txt',)
CONDA_FILES = ('conda.yaml', 'conda.yml', 'conda_dependencies.yml', 'conda_env.yml', 'environment.yml',
               'environment.yaml', 'conda-env.yml')
MAX_TEXT = 256 * 1024
MAX_DEPTH = 3


def packaging():
    """The parser of requirements: its own package, else pip's copy; null without both."""
    try:
        from packaging import requirements, utils
        return requirements, utils
    except ImportError:
        try:
            from pip._vendor.packaging import requirements, utils
            return requirements, utils
        except ImportError:
            return None


def text(path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read(MAX_TEXT).lstrip('\ufeff')
    except OSError:
        return None


def pip_lines(path, depth=0):
    """[(file, line number, requirement)]; files that `-r` names as well."""
    found = []
    lines = re.sub(r'\\\r?\n', ' ', text(path) or '').splitlines()
    for number, line in enumerate(lines, 1):
        line = re.split(r'(?:^|\s)#', line)[0].strip()
        other = re.match(r'(?:-r|--requirement)[ =]+(\S+)', line)
        if other and depth < MAX_DEPTH:
            found += pip_lines(os.path.join(os.path.dirname(path), other.group(1)), depth + 1)
        elif line and not line.startswith('-'):
            found.append((path, number, re.split(r'\s--\w', line)[0].strip()))
    return found


def conda_lines(path):
    """([pip's requirements], [conda's: (file, line number, name, version)]) of a conda environment file."""
    pip, conda, depth = [], [], None
    inside = False
    for number, line in enumerate((text(path) or '').splitlines(), 1):
        line = re.split(r'(?:^|\s)#', line)[0].rstrip()
        if re.match(r'\S', line) and not line.startswith('-'):
            inside = line.startswith('dependencies:')
            depth = None
            continue
        item = re.match(r'(\s*)-\s+(.+)$', line)
        if not inside or item is None:
            continue
        indent, value = len(item.group(1)), item.group(2).strip().strip('\'"')
        if depth is not None and indent > depth:
            if not value.startswith('-'):
                pip.append((path, number, value))
            continue
        depth = None
        if value == 'pip:':
            depth = indent
            continue
        name = re.match(r'(?:[\w.-]+::)?([\w.-]+)\s*(?:==?\s*([\w.*+!-]+))?', value)
        if name:
            conda.append((path, number, name.group(1), name.group(2)))
    return pip, conda


class Installed(object):
    def __init__(self, canonical):
        self.canonical = canonical
        self.known = {}
        for distribution in importlib.metadata.distributions():
            name = distribution.metadata['Name']
            if name:
                self.known.setdefault(canonical(name), distribution)  # the first on the path is the one imported

    def version(self, name):
        found = self.known.get(self.canonical(name))
        return found and found.version

    def requires(self, name):
        found = self.known.get(self.canonical(name))
        return (found and found.requires) or []


def applies(requirement, extras=('',)):
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate({'extra': extra}) for extra in extras)


def fits(requirement, version):
    return version is not None and requirement.specifier.contains(version, prereleases=True)


def compare(lines, parse, installed):
    """What differs from the requirements, and the names that they have with their extras."""
    wrong, unread, names = [], [], []
    for file, line, wanted in lines:
        place = {'file': file, 'line': line, 'wanted': wanted}
        try:
            requirement = parse(wanted)
        except Exception:  # a path, a URL, or what only pip understands
            unread.append(place)
            continue
        try:
            if not applies(requirement):
                continue
        except Exception:  # a marker that this version of packaging does not know
            unread.append(place)
            continue
        names.append((requirement.name, tuple(requirement.extras) or ('',)))
        version = installed.version(requirement.name)
        if version is None or (requirement.url is None and not fits(requirement, version)):
            wrong.append(dict(place, name=requirement.name, version=version))
    return wrong, unread, names


def of_conda(conda, installed):
    """Conda's names are often others than pip's: only what is there under that name is compared."""
    wrong, names = [], []
    for file, line, name, wanted in conda:
        if name == 'python':
            version = '%d.%d.%d' % sys.version_info[:3]
        else:
            version = installed.version(name)
        if version is None:
            continue
        if name != 'python':
            names.append((name, ('',)))
        if wanted and not (version + '.').startswith(wanted.rstrip('*').rstrip('.') + '.'):
            wrong.append({'file': file, 'line': line, 'wanted': '%s=%s' % (name, wanted), 'name': name,
                          'version': version})
    return wrong, names


def contradictions(names, parse, installed):
    """As `pip check`: what an installed package needs and is not there, or is there in another version."""
    found, waiting, seen = [], list(names), set()
    while waiting:
        name, extras = waiting.pop(0)
        key = installed.canonical(name)
        if (key, extras) in seen or installed.version(name) is None:
            continue
        seen.add((key, extras))
        for text_ in installed.requires(name):
            try:
                requirement = parse(text_)
                if not applies(requirement, extras):
                    continue
                version = installed.version(requirement.name)
                if version is None or not fits(requirement, version):
                    found.append({'package': name, 'packageVersion': installed.version(name),
                                  'wanted': text_.split(';')[0].strip(), 'name': requirement.name, 'version': version})
            except Exception:  # old metadata that no parser takes
                continue
            waiting.append((requirement.name, tuple(requirement.extras) or ('',)))
    unique = {(one['package'], one['wanted']): one for one in found}
    return list(unique.values())


def main():
    spec = begin()
    tools = packaging()
    files = {'pip': [], 'conda': []}
    for folder in dict.fromkeys(spec['folders']):
        for kind, names in (('pip', PIP_FILES), ('conda', CONDA_FILES)):
            files[kind] += [os.path.join(folder, name) for name in names if os.path.isfile(os.path.join(folder, name))]
    facts = {'files': files['pip'] + files['conda'], 'compared': tools is not None, 'count': 0, 'wrong': [],
             'unread': [], 'contradictions': []}
    if tools is not None:
        requirements, utils = tools
        installed = Installed(utils.canonicalize_name)
        lines, conda = [line for path in files['pip'] for line in pip_lines(path)], []
        for path in files['conda']:
            pip, own = conda_lines(path)
            lines += pip
            conda += own
        wrong, unread, names = compare(lines, requirements.Requirement, installed)
        more, others = of_conda(conda, installed)
        names += others + [(name, ('',)) for name in spec['servers']]
        facts.update(count=len(lines) + len(conda), wrong=wrong + more, unread=unread,
                     contradictions=contradictions(names, requirements.Requirement, installed))
    answer(facts)


main()
