"""What a boot costs: seconds and memory of each import and of each load of a model, in the process that boots.

Imports are told by top-level module and by what was under way (`server`, `import`, `init`): what a module takes itself,
and with all that it imports. Memory is the growth of the resident set, so pages that are only mapped do not count.
"""
import functools
import importlib._bootstrap as bootstrap
import os
import sys
import threading
import time

MAX_IMPORTS = 15
MAX_LOADS = 10
#: Module → names in it that load a model; `Class.method` where it is one of a class.
LOADERS = {
    'azureml.core.model': ['Model.get_model_path'],
    'joblib': ['load'],
    'keras.models': ['load_model'],
    'mlflow.pyfunc': ['load_model'],
    'mlflow.sklearn': ['load_model'],
    'pickle': ['load', 'loads'],
    'tensorflow.keras.models': ['load_model'],
    'torch': ['load'],
    'torch.jit': ['load'],
}
PAGE = os.sysconf('SC_PAGE_SIZE')


def resident():
    """Bytes."""
    with open('/proc/self/statm', 'rb') as file:
        return int(file.read().split()[1]) * PAGE


class Profile(object):
    """`phase` tells what is under way."""

    def __init__(self, phase):
        self.phase = phase
        self.imports = {}
        self.loads = []
        self.threads = threading.local()

    def install(self):
        usual = bootstrap._find_and_load

        def find_and_load(name, import_):
            frame = self.enter(name.partition('.')[0])
            try:
                return usual(name, import_)
            finally:
                self.leave(frame)
                self.watch(name)

        bootstrap._find_and_load = find_and_load
        for name in list(LOADERS):
            self.watch(name)

    def enter(self, module):
        """None within an import of the same module, which is one with it."""
        stack = self.threads.__dict__.setdefault('stack', [])
        if stack and stack[-1][0] == module:
            return None
        frame = [module, self.phase(), time.perf_counter(), resident(), 0.0, 0]
        stack.append(frame)
        return frame

    def leave(self, frame):
        if frame is None:
            return
        stack = self.threads.stack
        stack.pop()
        module, phase, began, memory, seconds_below, bytes_below = frame
        seconds, grown = time.perf_counter() - began, resident() - memory
        told = self.imports.setdefault((phase, module), [0.0, 0.0, 0])
        told[0] += seconds - seconds_below
        told[2] += grown - bytes_below
        if not any(outer[0] == module for outer in stack):
            told[1] += seconds
        if stack:
            stack[-1][4] += seconds
            stack[-1][5] += grown

    def watch(self, name):
        """Once the module is there, its loaders are timed."""
        module = sys.modules.get(name) if name in LOADERS else None
        for path in LOADERS[name] if module is not None else ():
            owner, _, function = path.rpartition('.')
            holder = getattr(module, owner, None) if owner else module
            load = getattr(holder, function, None)
            if callable(load) and not hasattr(load, 'drydock_timed'):
                timed = self.timed(name.partition('.')[0] + '.' + path, load)
                setattr(holder, function, staticmethod(timed) if owner else timed)

    def timed(self, name, load):
        @functools.wraps(load)
        def call(*args, **kwargs):
            if getattr(self.threads, 'loading', False):
                return load(*args, **kwargs)  # part of what is timed already
            self.threads.loading = True
            began, memory = time.perf_counter(), resident()
            given = args[0] if args else next(iter(kwargs.values()), None)
            try:
                value = load(*args, **kwargs)
                if name.endswith('get_model_path'):
                    given = value
                return value
            finally:
                self.threads.loading = False
                self.loads.append({'call': name, 'path': path_of(given), 'seconds': time.perf_counter() - began,
                                   'mb': (resident() - memory) / 1e6})

        call.drydock_timed = True
        return call

    def told(self):
        dearest = sorted(self.imports.items(), key=lambda one: -one[1][0])[:MAX_IMPORTS]
        return {
            'imports': [{'module': module, 'phase': phase, 'seconds': own, 'all': whole, 'mb': grown / 1e6}
                        for (phase, module), (own, whole, grown) in dearest],
            'loads': sorted(self.loads, key=lambda one: -one['seconds'])[:MAX_LOADS],
        }


def path_of(given):
    """Of a path or an open file; null for bytes and the like."""
    for value in (given, getattr(given, 'name', None)):
        try:
            return os.fspath(value) if isinstance(os.fspath(value), str) else None
        except TypeError:
            continue
    return None
