"""Seconds and megabytes of imports and of model loads, in this process from now on. Loaded by boot.py, by its path.

An import calls `_find_and_load` of the frozen importlib, by its name, for each module that is not there yet (CPython 3.3 and
later): one place for all of them.
"""
import os
import sys
import time

PAGE = os.sysconf('SC_PAGE_SIZE') / 1e6
#: Module → what of it loads models.
LOADERS = {
    'pickle': ('load', 'loads'),
    'joblib': ('load',),
    'cloudpickle': ('load', 'loads'),
    'dill': ('load', 'loads'),
    'torch': ('load',),
    'torch.jit': ('load',),
    'mlflow.pyfunc': ('load_model',),
    'mlflow.sklearn': ('load_model',),
    'keras.models': ('load_model',),
    'tensorflow.keras.models': ('load_model',),
}
MAX_TOLD = 15
#: In place of a name on the stack.
LOAD = ''


def resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * PAGE


class Profile(object):
    """What is spent inside something else counts there alone: a package's own is what it takes without those that it imports."""

    def __init__(self):
        #: Top-level name → [seconds, MB].
        self.imports = {}
        self.loads = []
        #: Of what is under way, innermost last: [top-level name, seconds and MB of what lay inside].
        self.stack = []
        self.wrapped = set()
        import _frozen_importlib as frozen
        usual = frozen._find_and_load

        def find_and_load(name, *args):
            top = name.split('.')[0]
            if self.stack and self.stack[-1][0] == top:
                module = usual(name, *args)
            else:
                module = self.measured(top, lambda: usual(name, *args), self.imported)
            self.watch(name)
            return module

        frozen._find_and_load = find_and_load
        for name in LOADERS:
            self.watch(name)

    def measured(self, name, act, told):
        self.stack.append([name, 0.0, 0.0])
        began, had = time.perf_counter(), resident()
        try:
            return act()
        finally:
            seconds, mb = time.perf_counter() - began, resident() - had
            _, inside, inside_mb = self.stack.pop()
            if self.stack:
                self.stack[-1][1] += seconds
                self.stack[-1][2] += mb
            told(name, seconds - inside, mb - inside_mb, seconds, mb)

    def imported(self, name, seconds, mb, *_):
        spent = self.imports.setdefault(name, [0.0, 0.0])
        spent[0] += seconds
        spent[1] += mb

    def watch(self, name):
        module = sys.modules.get(name)
        if name not in LOADERS or name in self.wrapped or module is None:
            return
        if any(not hasattr(module, attribute) for attribute in LOADERS[name]):
            return  # it is being imported
        self.wrapped.add(name)
        for attribute in LOADERS[name]:
            setattr(module, attribute, self.timed('{}.{}'.format(name, attribute), getattr(module, attribute)))

    def timed(self, label, load):
        def call(*args, **kwargs):
            if any(name == LOAD for name, _, _ in self.stack):
                return load(*args, **kwargs)  # joblib's is the sum of its pickles

            def told(_, __, ___, seconds, mb):
                # With the packages that it imports. Packages unpickle small things of their own all the time.
                if seconds > 0.002:
                    self.loads.append({'what': label, 'of': path_of(args), 'seconds': seconds, 'mb': mb})

            return self.measured(LOAD, lambda: load(*args, **kwargs), told)
        return call

    def told(self):
        dearest = sorted((one for one in self.imports.items() if one[1][0] > 0.001), key=lambda one: -one[1][0])[:MAX_TOLD]
        return {
            'imports': [{'name': name, 'seconds': spent[0], 'mb': spent[1]} for name, spent in dearest],
            'loads': sorted(self.loads, key=lambda one: -one['seconds'])[:MAX_TOLD],
            'mb': resident(),
        }


def path_of(args):
    first = args[0] if args else None
    name = first if isinstance(first, str) else getattr(first, 'name', None)
    return name if isinstance(name, str) else None
