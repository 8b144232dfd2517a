"""What gunicorn's arbiter does otherwise while Drydock is there.

Invariants:
  the master's loop is never blocked, and none of its own failures ends it;
  a candidate is not among WORKERS until it has loaded its code and passed the gate;
  the old workers leave only when a new one has taken over, unless two at once cannot be (a port, a lock);
  nothing ends the master because a worker does not boot.

Up to gunicorn 23 SIGCHLD runs `reap_workers` inside the signal handler, between any two bytecodes; 27 queues it.
"""
import base64
import json
import os
import signal
import sys
import time
import traceback

from gunicorn import __version__, version_info

from . import failure, warm, worker as child
from .channel import Channel, Lines, Requests, requests_name
from .variables import Variables

DEADLINE = 300.0
#: Seconds that a process may take from the end of its report to its own.
ENDING = 2.0
#: Seconds for which workers of other classes than gunicorn's usual one may still accept what comes, once they are told.
LEAVING = 1.5
#: Workers that end without a word while they load, before the next one is held without loading.
SILENT = 2


#: Of a captured request what the gate asks again, and what it compares with.
EXCHANGE = ('method', 'path', 'query', 'headers', 'body', 'status', 'answer')


class Candidate(object):
    def __init__(self, generation, birth, worker, deadline, first):
        self.generation = generation
        self.birth = birth
        self.worker = worker
        self.pid = worker.pid
        self.began = time.monotonic()
        self.deadline = self.began + deadline
        self.stage = 'fork'
        #: When it was last seen alive.
        self.seen = self.began
        #: False for the further workers of a rolling reload.
        self.first = first
        self.reader = Lines(birth.report[0])


class Reaping(object):
    """In the place of `os` while gunicorn reaps: how a child ended is told once, to whoever waits for it."""

    def __init__(self, hook, workers):
        self.hook, self.workers = hook, workers

    def __getattr__(self, name):
        return getattr(os, name)

    def waitpid(self, wanted, options):
        pid, status = os.waitpid(wanted, options)
        if pid in self.workers:
            self.hook.exits[pid] = status, self.workers[pid]
        elif pid:
            self.hook.ends[pid] = status
        return pid, status


class Hook(object):
    """On one arbiter. Everything of it is undone by `uninstall`."""

    def __init__(self, arbiter, injected):
        self.arbiter = arbiter
        self.injected = injected
        self.gone = False
        self.candidate = None
        #: Reports of plain workers that are loading: pid → Lines.
        self.births = {}
        self.booted = set(arbiter.WORKERS)
        #: Failures that workers answer with: pid → failure.
        self.held = {}
        #: Old workers that were told to end: pid → generation that replaced them.
        self.retiring = {}
        #: Generation → pids of old workers that have not been told yet.
        self.rolling = None
        self.good = None
        #: Workers in a row that ended without a word while they loaded, and how the last one did.
        self.silent = 0
        self.silent_end = None
        #: pid → (status, worker) noted in SIGCHLD's handler, told from the loop.
        self.exits = {}
        #: How others than workers ended since the candidate was started: pid → status.
        self.ends = {}
        #: No worker is started: a candidate is to be alone, or one that was has not ended yet.
        self.paused = False
        self.exclusive = None
        #: A candidate that was killed: until it has ended it has what it took, and a large one takes its time.
        self.lingering = None
        self.gate = None
        self.request = None
        self.capture = True
        #: Whether failures show the variables of their frames, and words of names that are not shown.
        self.shows, self.redact = True, ()
        self.warming = None
        self.environ = None
        #: What the code that serves has answered at the gate.
        self.passed = None
        #: (folder of bundled debuggers, seconds to wait for a client or None) for the next candidate; None without one.
        self.debug = None
        #: Pids in which a debugger listens: one that is stopped there beats no more, and is not ended for that.
        self.debugged = set()
        root = os.environ.get('AML_APP_ROOT') or os.getcwd()
        self.user = failure.UserFiles(root, os.environ.get('AZUREML_ENTRY_SCRIPT'))
        self.requests = Requests()
        self.channel = Channel(self.on_message, self.on_agent, self.on_gone)
        self.patch()

    # Patches ----------------------------------------------------------------------------------------------------------

    def patch(self):
        arbiter = self.arbiter
        app, usual_load = arbiter.app, arbiter.app.wsgi
        app.wsgi = lambda: child.load(app, usual_load)
        usual = type(arbiter)
        hook = self

        def guarded(name, own):
            """Ours, unless it fails: then the hook goes, and gunicorn's own runs from then on."""
            def call(*args, **kwargs):
                try:
                    return own(*args, **kwargs)
                except (StopIteration, KeyboardInterrupt, SystemExit):
                    raise
                except Exception as error:
                    if type(error).__name__ == 'HaltServer':
                        raise
                    hook.fail()
                    return getattr(usual, name)(arbiter, *args, **kwargs)
            setattr(arbiter, name, call)

        def murder_workers():
            hook.poll()
            for pid in hook.debugged.intersection(arbiter.WORKERS):
                arbiter.WORKERS[pid].tmp.notify()
            usual.murder_workers(arbiter)

        def manage_workers():
            if not hook.paused:
                usual.manage_workers(arbiter)

        def reap_workers():
            # Up to gunicorn 23 in the handler of SIGCHLD, which may interrupt itself: it only takes notes.
            names, workers = usual.reap_workers.__globals__, dict(arbiter.WORKERS)
            usual_os, names['os'] = names['os'], Reaping(hook, workers)
            try:
                usual.reap_workers(arbiter)
            finally:
                names['os'] = usual_os

        def kill_worker(pid, sig):
            # Told once: a second SIGTERM would find Python's own handlers gone, and cut the worker's end short.
            if sig != signal.SIGTERM or pid not in hook.retiring:
                usual.kill_worker(arbiter, pid, sig)

        def stop(graceful=True):
            hook.end_candidate()
            hook.end_warming()  # its fork has the listening sockets
            return usual.stop(arbiter, graceful)

        guarded('murder_workers', murder_workers)
        guarded('manage_workers', manage_workers)
        guarded('reap_workers', reap_workers)
        guarded('kill_worker', kill_worker)
        guarded('handle_hup', self.handle_hup)
        guarded('stop', stop)
        arbiter.spawn_worker = self.spawn_worker  # a worker's exceptions pass through it
        arbiter.WORKER_BOOT_ERROR = arbiter.APP_LOAD_ERROR = -1

    def uninstall(self):
        arbiter = self.arbiter
        self.gone = True
        self.end_candidate()
        arbiter.app.__dict__.pop('wsgi', None)
        for name in ('murder_workers', 'manage_workers', 'reap_workers', 'kill_worker', 'handle_hup', 'stop',
                     'spawn_worker', 'WORKER_BOOT_ERROR', 'APP_LOAD_ERROR'):
            arbiter.__dict__.pop(name, None)
        for lines in self.births.values():
            lines.close()
        self.births = {}
        self.end_warming()
        self.channel.close()
        self.requests.close()
        installed.pop(id(arbiter), None)

    def fail(self):
        print('drydock: the hook failed and is gone; the service goes on without it', file=sys.stderr)
        traceback.print_exc()
        try:
            self.uninstall()
        except Exception:
            traceback.print_exc()

    def in_child(self):
        """What a worker has from the fork and must not keep."""
        self.channel.close()
        self.requests.close()
        for lines in self.births.values():
            lines.close()
        if self.candidate is not None:
            self.candidate.reader.close()
            self.candidate.worker.tmp.close()
            if self.candidate.birth.go is not None:
                os.close(self.candidate.birth.go[1])
        if self.warming is not None:
            self.warming.close()

    # Forks ------------------------------------------------------------------------------------------------------------

    def birth(self, kind, copy, gate=None, hold=None, debug=None):
        return child.Birth(kind, child.protocol(self.arbiter.worker_class), self.user, copy, gate, hold,
                           requests_name() if self.capture else None, self.in_child, debug, self.shows, self.redact)

    def fork(self, birth):
        """The new worker, taken out of WORKERS again by who wants that. OSError where no process can be started."""
        arbiter = self.arbiter
        child.pending = birth
        try:
            pid = type(arbiter).spawn_worker(arbiter)  # the child does not come back
        except OSError:
            for descriptor in birth.report + (birth.go or ()):
                os.close(descriptor)
            raise
        finally:
            child.pending = None
        os.close(birth.report[1])
        if birth.go is not None:
            os.close(birth.go[0])
        return pid

    def spawn_worker(self):
        """As gunicorn asks for it: a worker from the last good copy, or one that is held."""
        hold = self.silent_end if self.silent >= SILENT else None
        birth = self.birth('plain', self.good, hold=hold)
        pid = self.fork(birth)
        self.births[pid] = Lines(birth.report[0])
        self.channel.say(spawned={'pid': pid})
        return pid

    def start_candidate(self, generation, copy=None, gate=None, deadline=DEADLINE, first=True):
        self.end_candidate('superseded')
        arbiter = self.arbiter
        self.ends = {}
        try:
            birth = self.birth('candidate', copy, gate=gate, debug=self.debug if first else None)
            pid = self.fork(birth)
        except OSError as error:  # too many processes or descriptors
            message = 'no further worker can be started: {}'.format(error)
            return self.refuse(generation, first, 'fork', failure.plain(type(error).__name__, message))
        worker = arbiter.WORKERS.pop(pid, None)
        if worker is None:  # it ended, and was reaped, between two lines
            os.close(birth.go[1])
            os.close(birth.report[0])
            return self.refuse(generation, first, 'fork', failure.plain('Exit', 'the new worker ended at once'))
        self.candidate = Candidate(generation, birth, worker, deadline, first)
        self.channel.say(apart={'pid': pid})
        if first:
            self.channel.say(candidate={'generation': generation, 'pid': pid, 'stage': 'import'})

    def end_candidate(self, reason=None):
        candidate, self.candidate = self.candidate, None
        if candidate is None:
            return
        for end in (lambda: os.killpg(candidate.pid, signal.SIGKILL), lambda: os.kill(candidate.pid, signal.SIGKILL)):
            try:
                end()
            except OSError:
                pass  # not yet a group of its own; or ended
        self.lingering = candidate.pid
        os.close(candidate.birth.go[1])
        candidate.reader.close()
        candidate.worker.tmp.close()
        if reason is not None and candidate.first:
            self.channel.say(rejected={'generation': candidate.generation, 'stage': candidate.stage, 'reason': reason})

    def end_warming(self):
        warming, self.warming = self.warming, None
        if warming is not None:
            warming.end()

    # The loop ---------------------------------------------------------------------------------------------------------

    def poll(self):
        self.drain_requests()  # a candidate is asked what was answered before it was wanted
        self.channel.poll()
        if self.gone:
            return
        ended, self.exits = self.exits, {}
        self.poll_births()  # what they said before they ended
        self.tell_exits(ended)
        self.poll_candidate()
        self.poll_exclusive()
        self.poll_rolling()
        # An import in the master would keep a candidate waiting that is ready.
        if self.warming is not None and self.candidate is None and self.warming.poll():
            self.warming = None

    def drain_requests(self):
        for data in iter(self.requests.read, None):
            try:
                seen = json.loads(data.decode('ascii'))
                if not self.capture:
                    continue
                self.mask(seen['failure'])
                whole = not seen['cut'] and not seen['answerCut']
                if whole and seen['method'] == 'POST' and seen['status'][:1] == '2':
                    self.request = {name: seen[name] for name in EXCHANGE}
                self.channel.say(captured=seen)
            except (ValueError, KeyError, TypeError):
                pass  # it is not a worker's

    def mask(self, told):
        """A worker goes on as it was forked, whatever was wished since."""
        shown = Variables(self.redact) if self.shows and self.redact else None
        for frame in () if told is None else told['frames']:
            if not self.shows:
                frame.pop('locals', None)
            elif shown is not None and 'locals' in frame:
                frame['locals'] = shown.again(frame['locals'])

    def poll_births(self):
        for pid, lines in list(self.births.items()):
            for event in lines.read():
                if 'ready' in event:
                    self.accept_ready(pid, event['ready'])
                    self.channel.say(ready={'pid': pid, 'environ': self.environ})
                elif 'held' in event:
                    self.booted.add(pid)
                    self.silent = 0
                    self.held[pid] = event['held']
                    self.channel.say(held={'pid': pid, 'failure': event['held']})
            if lines.ended:
                lines.close()
                self.births.pop(pid, None)

    def accept_ready(self, pid, ready):
        self.booted.add(pid)
        self.silent = 0
        self.environ = ready['environ']
        if self.good is None:
            self.keep(ready['copy'])  # what the service was started with

    def poll_candidate(self):
        candidate = self.candidate
        if candidate is None:
            return
        # Before its report is read: processes that it started may hold the pipe open. Its descriptors close before it can
        # be waited for, so an end of file alone says little; SIGCHLD comes then.
        status = self.ends.get(candidate.pid)
        for event in candidate.reader.read():
            if 'stage' in event:
                candidate.stage = event['stage']
                if candidate.first:
                    self.channel.say(candidate={
                        'generation': candidate.generation, 'pid': candidate.pid, 'stage': event['stage']})
            elif 'ready' in event and status is None:
                return self.promote(candidate, event)
            elif 'failed' in event:
                return self.reject(candidate, event['failed'], event.get('exclusive', False))
            elif 'gate' in event:
                candidate.gate = event['gate']
            elif 'debug' in event:
                self.debugged.add(candidate.pid)
                self.channel.say(debug=dict(event['debug'], pid=candidate.pid))
        if status is not None or candidate.reader.ended:
            if status is None and time.monotonic() - candidate.seen < ENDING:
                return
            return self.reject(candidate, failure.plain('Exit', self.words(status)))
        candidate.seen = time.monotonic()
        if time.monotonic() > candidate.deadline:
            seconds = candidate.deadline - candidate.began
            message = 'the code was still in {} after {:g} s'.format(candidate.stage, seconds)
            self.reject(candidate, failure.plain('Deadline', message))

    def words(self, status):
        if status is None:
            return 'the new worker ended without a word'
        if os.WIFEXITED(status):
            return 'the code ended the process with exit code {}'.format(os.WEXITSTATUS(status))
        return 'the process was ended by {}'.format(signal_name(os.WTERMSIG(status)))

    def promote(self, candidate, event):
        arbiter = self.arbiter
        ready = event['ready']
        old = [pid for pid in arbiter.WORKERS if pid not in self.retiring]
        # From here on gunicorn reaps it as its own; who ended before, for want of memory say, never comes to serve.
        arbiter.WORKERS[candidate.pid] = candidate.worker
        if self.is_gone(candidate.pid) or not self.let_go(candidate):
            arbiter.WORKERS.pop(candidate.pid, None)
            candidate.seen = time.monotonic()
            return  # the next round tells how it ended
        self.candidate = None
        candidate.worker.tmp.notify()
        os.close(candidate.birth.go[1])
        candidate.reader.close()
        self.booted.add(candidate.pid)
        if not candidate.first:
            self.channel.say(joined={'pid': candidate.pid})
            self.retire(old[:1])
            return
        self.keep(ready['copy'])
        self.silent = 0
        self.environ = ready['environ']
        gate = event.get('gate')
        self.passed = gate and dict(candidate.birth.gate, status=gate['status'], answer=gate['answer'])
        self.paused = False
        self.exclusive = None
        self.settle()  # what was rolling before is overtaken
        # Workers that are still loading older code are old, too.
        self.rolling = {'generation': candidate.generation, 'old': [pid for pid in old], 'told': time.monotonic()}
        self.retire(old[:1] if len(old) >= arbiter.num_workers else [])
        self.channel.say(promoted={
            'generation': candidate.generation,
            'pid': candidate.pid,
            'ms': (time.monotonic() - candidate.began) * 1e3,
            'gate': event.get('gate'),
            'files': ready['files'],
            'modules': ready['modules'],
            'sites': ready['sites'],
            'environ': ready['environ'],
        })

    def let_go(self, candidate):
        try:
            os.write(candidate.birth.go[1], b'g')
            return True
        except OSError:
            return False

    def serving(self):
        return sorted(pid for pid in self.arbiter.WORKERS if pid not in self.retiring)

    def keep(self, copy):
        self.good = None if copy is None else {
            path: (name, base64.b64decode(data)) for path, (name, data) in copy.items()}

    def retire(self, pids):
        for pid in pids:
            if self.rolling is not None and pid in self.rolling['old']:
                self.rolling['old'].remove(pid)
            if pid in self.retiring:
                continue
            self.retiring[pid] = True
            if self.rolling is not None:
                self.rolling['told'] = time.monotonic()
            try:
                os.kill(pid, signal.SIGTERM)
            except OSError:
                pass

    def poll_rolling(self):
        """One old worker at a time: the next new one boots the accepted code, and then the next old one goes."""
        rolling = self.rolling
        if rolling is None or self.candidate is not None:
            return
        alive = self.arbiter.WORKERS
        rolling['old'] = [pid for pid in rolling['old'] if pid in alive]
        if rolling['old']:
            if self.good is None:
                return self.retire(list(rolling['old']))  # gunicorn replaces them from the disk
            return self.start_candidate(rolling['generation'], copy=self.good, first=False)
        # gunicorn's usual worker accepts no further request: it handles the signal before anything else.
        leaving = any(pid in alive for pid in self.retiring) and not self.leaves_at_once()
        if not leaving or time.monotonic() - rolling['told'] > LEAVING:
            self.settle()

    def leaves_at_once(self):
        return any(one.__module__ == 'gunicorn.workers.sync' for one in self.arbiter.worker_class.__mro__)

    def settle(self, told=None):
        rolling, self.rolling = self.rolling, None
        if rolling is None:
            return
        message = {'generation': rolling['generation'], 'workers': self.serving()}
        if told is not None:
            message['failure'] = told
        self.channel.say(settled=message)

    def reject(self, candidate, told, exclusive=False):
        stage, gate = candidate.stage, getattr(candidate, 'gate', None)
        self.end_candidate()
        if candidate.first and exclusive and self.exclusive is None:
            return self.begin_exclusive(candidate.generation, candidate.birth.gate, candidate.deadline - candidate.began)
        self.refuse(candidate.generation, candidate.first, stage, told, gate, exclusive)

    def refuse(self, generation, first, stage, told, gate=None, exclusive=False):
        if not first:
            # Accepted code that no second worker can load: gunicorn's own way, which holds what fails.
            return self.settle(told)
        self.end_exclusive()
        self.channel.say(rejected={'generation': generation, 'stage': stage, 'failure': told, 'gate': gate,
                                   'exclusive': exclusive})

    # One at a time ----------------------------------------------------------------------------------------------------

    def attempt(self, generation, gate, deadline=DEADLINE, alone=False):
        """Alone, too, where the old workers have been told to go already."""
        if alone or self.paused:
            self.end_candidate('superseded')
            self.begin_exclusive(generation, gate, deadline)
        else:
            self.start_candidate(generation, gate=gate, deadline=deadline)

    def begin_exclusive(self, generation, gate, deadline):
        """The new code wants what the old one holds: the old goes first, and comes back if the new one fails."""
        self.paused = True
        self.exclusive = {'generation': generation, 'gate': gate, 'deadline': deadline, 'began': time.monotonic()}
        self.channel.say(candidate={'generation': generation, 'pid': 0, 'stage': 'exclusive'})
        self.retire(list(self.arbiter.WORKERS))

    def poll_exclusive(self):
        wanted, arbiter = self.exclusive, self.arbiter
        if self.candidate is not None or self.lingers():
            return
        if wanted is None:
            self.paused = False
            return
        if arbiter.WORKERS:
            if time.monotonic() - wanted['began'] > arbiter.cfg.graceful_timeout:
                for pid in list(arbiter.WORKERS):
                    arbiter.kill_worker(pid, signal.SIGKILL)  # nobody serves while it is waited for
            return
        self.start_candidate(wanted['generation'], gate=wanted['gate'], deadline=wanted['deadline'])

    def end_exclusive(self):
        """What the candidate took is free soon; then the last good copy boots, or its failure is held."""
        self.exclusive = None

    def lingers(self):
        if self.lingering is not None and self.is_gone(self.lingering):
            self.lingering = None
        return self.lingering is not None

    # Exits ------------------------------------------------------------------------------------------------------------

    def is_gone(self, pid):
        try:
            return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except OSError:
            return True  # reaped already

    def tell_exits(self, ended):
        for pid, (status, worker) in ended.items():
            how = {'code': None, 'signal': None}
            if os.WIFEXITED(status):
                how['code'] = os.WEXITSTATUS(status)
            else:
                how['signal'] = signal_name(os.WTERMSIG(status))
            retired = self.retiring.pop(pid, False)
            self.channel.say(exit=dict(
                how, pid=pid, timeout=bool(worker.aborted), booted=pid in self.booted, retired=retired))
            if pid not in self.booted and not retired:
                self.silent += 1
                self.silent_end = failure.plain('Exit', self.words(status))
            self.booted.discard(pid)
            self.held.pop(pid, None)
            lines = self.births.pop(pid, None)
            if lines is not None:
                lines.close()  # processes that it started may hold the other end for ever

    def handle_hup(self):
        """By somebody else: the configuration is read again, the code goes the way of all new code."""
        arbiter = self.arbiter
        without_workers(arbiter, lambda: type(arbiter).handle_hup(arbiter))
        self.attempt(0, self.wanted_gate('last'))

    # The agent --------------------------------------------------------------------------------------------------------

    def on_agent(self):
        from gunicorn import __version__
        arbiter = self.arbiter
        self.channel.say(hello={
            'build': build(),
            'pid': os.getpid(),
            'injected': self.injected,
            'gunicorn': __version__,
            'python': '{}.{}.{}'.format(*sys.version_info[:3]),
            'preload': bool(arbiter.cfg.preload_app),
            'workerClass': str(getattr(arbiter, 'worker_class_str', None) or arbiter.worker_class.__name__),
            'workers': sorted(arbiter.WORKERS),
            'wanted': arbiter.num_workers,
            'timeout': arbiter.timeout,
            'environ': dict(os.environ) if self.environ is None else self.environ,
            'request': self.request is not None,
            'packages': packages_of(arbiter),
            'held': next((told for pid, told in self.held.items() if pid in arbiter.WORKERS), None),
        })

    def on_gone(self):
        self.debug, self.debugged = None, set()
        self.end_attempt()

    def end_attempt(self):
        """What was accepted goes on to roll: two generations must not serve side by side."""
        if self.candidate is not None and self.candidate.first:
            self.end_candidate()
        self.end_exclusive()

    def on_message(self, message):
        do = message.get('do')
        if do == 'candidate':
            self.user = failure.UserFiles(message['root'], message.get('entry'))
            self.drain_requests()
            gate = self.wanted_gate(message.get('gate'))
            self.attempt(message['generation'], gate, message.get('deadline', DEADLINE), bool(message.get('alone')))
        elif do == 'cancel':
            self.end_attempt()
        elif do == 'debug':
            self.debug = (message['bundled'], message['waits']) if message['bundled'] is not None else None
            self.debugged = set(message['pids'])
        elif do == 'copy':
            if self.good is None:
                self.good = {path: (None, base64.b64decode(data)) for path, data in message['files'].items()}
        elif do == 'settings':
            self.capture = bool(message.get('capture', True))
            self.shows = bool(message.get('variables', True))
            self.redact = tuple(message.get('redact', ()))
            if not self.capture:
                self.request = None
        elif do == 'request':
            self.drain_requests()
            self.channel.say(request=self.request)
        elif do == 'passed':
            self.channel.say(passed=self.passed)
        elif do == 'warm':
            if self.warming is None:
                if packages_of(self.arbiter) is None:
                    self.arbiter.drydock_packages = {
                        path: os.stat(path).st_mtime_ns // 1000000 for path in message['sites'] if os.path.isdir(path)}
                self.warming = warm.Warming(message['modules'], self.in_child, self.channel)
        elif do == 'uninstall':
            self.channel.say(uninstalled={})
            self.uninstall()

    def wanted_gate(self, wanted):
        if wanted == 'last':
            return self.request
        return wanted


def without_workers(arbiter, act):
    """Runs a reload that neither starts nor ends a worker.

    gunicorn 27 waits after it until every worker is younger than `worker_age` was: an age of -1 is passed at once.
    """
    age = arbiter.worker_age
    own = {name: arbiter.__dict__.get(name) for name in ('spawn_worker', 'manage_workers')}
    arbiter.spawn_worker = arbiter.manage_workers = lambda *args: None
    arbiter.worker_age = -1
    try:
        return act()
    finally:
        arbiter.worker_age = age
        for name, was in own.items():
            if was is None:
                arbiter.__dict__.pop(name, None)
            else:
                setattr(arbiter, name, was)


def packages_of(arbiter):
    """Folders of installed packages as they were (ms) before this master imported any; it outlives the hook."""
    return getattr(arbiter, 'drydock_packages', None)


def build():
    """Of the kit that this lies in: the agent talks to a hook of its own build."""
    try:
        with open(os.path.join(os.path.dirname(__file__), '..', '..', 'VERSION')) as file:
            return file.read().strip()
    except OSError:
        return ''


def signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return 'signal {}'.format(number)


#: The first gunicorn whose arbiter is known.
OLDEST = (19, 9)

#: Hooks by the id of their arbiter.
installed = {}


def install(arbiter, injected):
    """Once an arbiter. `injected`: into a master that ran, to be taken out by whichever agent is the last."""
    if version_info < OLDEST:
        raise RuntimeError('gunicorn {} is older than 19.9'.format(__version__))
    if child.protocol(arbiter.worker_class) is None:
        raise RuntimeError('the worker class {} is not known'.format(arbiter.worker_class.__name__))
    if id(arbiter) not in installed:
        installed[id(arbiter)] = Hook(arbiter, injected)
