/**
 * The engine in a worker thread, so that a repaint of the screen never delays an edit (measured elsewhere: p95 12.6 ms
 * on Ink's event loop beside 7.4 ms in a thread). Both ends of the conversation are in this file.
 */
import { Worker, type MessagePort } from 'node:worker_threads';
import { DrydockError, isErrorCode } from '../../shared/core/errors.ts';
import type { EngineOptions } from './engine.ts';
import type { Engine, EngineEvent, LogLine, Shell, ShellSize, View } from './view.ts';

/** Methods that are a question and an answer. */
type Plain = Exclude<keyof Engine, 'subscribe' | 'logs' | 'events' | 'shell' | 'answer'>;

type ToEngine =
  | { readonly type: 'call'; readonly id: number; readonly method: Plain; readonly args: readonly unknown[] }
  | { readonly type: 'answer'; readonly question: string; readonly value: string }
  | { readonly type: 'shell'; readonly id: number; readonly size: ShellSize; readonly what?: 'python' }
  | { readonly type: 'shell-data'; readonly id: number; readonly data: Uint8Array }
  | { readonly type: 'shell-size'; readonly id: number; readonly size: ShellSize }
  | { readonly type: 'shell-close'; readonly id: number };

type FromEngine =
  | { readonly type: 'view'; readonly view: View; readonly rows: RowsEdit }
  | { readonly type: 'logs'; readonly lines: readonly LogLine[] }
  | { readonly type: 'event'; readonly event: EngineEvent }
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: { code?: string; message: string; hint?: string } }
  | { readonly type: 'shell-data'; readonly id: number; readonly data: Uint8Array }
  | { readonly type: 'shell-exit'; readonly id: number; readonly exitCode: number };

type Rows = View['sync']['rows'];

/** Tens of thousands of rows would take tens of milliseconds to cross with every edit: what changed crosses. */
interface RowsEdit {
  /** Rows that stay, at the beginning and at the end. */
  readonly before: number;
  readonly after: number;
  readonly between: Rows;
}

/** A row that did not change is the same object. */
function editOf(old: Rows, now: Rows): RowsEdit {
  const most = Math.min(old.length, now.length);
  let before = 0;
  while (before < most && old[before] === now[before]) before++;
  let after = 0;
  while (after < most - before && old[old.length - 1 - after] === now[now.length - 1 - after]) after++;
  return { before, after, between: now.slice(before, now.length - after) };
}

function edited(old: Rows, { before, after, between }: RowsEdit): Rows {
  if (between.length === 0 && before + after === old.length) return old;
  return [...old.slice(0, before), ...between, ...old.slice(old.length - after)];
}

// In the thread -------------------------------------------------------------------------------------------------------

/** Serves `engine` to the thread that started this one. */
export function serveEngine(engine: Engine, port: MessagePort): void {
  const post = (message: FromEngine) => port.postMessage(message);
  const shells = new Map<number, Shell>();
  let rows: Rows = [];
  engine.subscribe((view) => {
    const edit = editOf(rows, view.sync.rows);
    rows = view.sync.rows;
    post({ type: 'view', view: { ...view, sync: { ...view.sync, rows: [] } }, rows: edit });
  });
  engine.logs((lines) => post({ type: 'logs', lines }));
  engine.events((event) => post({ type: 'event', event }));
  const reply = (id: number, work: Promise<unknown>) =>
    work.then(
      (value) => post({ type: 'result', id, value }),
      (error: unknown) => post({ type: 'error', id, error: toPlain(error) }),
    );
  const methods: Record<Plain, (...args: never[]) => Promise<unknown>> = engine;
  const openShell = async (id: number, size: ShellSize, what?: 'python'): Promise<null> => {
    const shell = await engine.shell(size, what);
    shells.set(id, shell);
    shell.onData((data) => post({ type: 'shell-data', id, data }));
    void shell.exited.then(({ exitCode }) => {
      shells.delete(id);
      post({ type: 'shell-exit', id, exitCode });
    });
    return null;
  };
  port.on('message', (message: ToEngine) => {
    switch (message.type) {
      case 'call':
        void reply(message.id, methods[message.method].apply(engine, message.args as never[]));
        return;
      case 'answer':
        engine.answer(message.question, message.value);
        return;
      case 'shell':
        void reply(message.id, openShell(message.id, message.size, message.what));
        return;
      case 'shell-data':
        shells.get(message.id)?.write(message.data);
        return;
      case 'shell-size':
        shells.get(message.id)?.resize(message.size);
        return;
      case 'shell-close':
        shells.get(message.id)?.close();
        return;
    }
  });
}

// Under the screen ----------------------------------------------------------------------------------------------------

/** Starts the thread; `file` is the bundle of worker.ts. */
export function startEngineThread(file: string | URL, options: EngineOptions): Engine {
  const worker = new Worker(file, { workerData: options, stdout: false, stderr: false });
  const post = (message: ToEngine) => worker.postMessage(message);
  const pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  const shells = new Map<number, { onData: (data: Uint8Array) => void; exit: (exitCode: number) => void }>();
  const views = new Set<(view: View) => void>();
  const logs = new Set<(lines: readonly LogLine[]) => void>();
  const events = new Set<(event: EngineEvent) => void>();
  let lastView: View | null = null;
  let early: LogLine[] = [];
  let next = 1;
  let ended: Error | null = null;

  const fail = (error: Error) => {
    ended ??= error;
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
    for (const { exit } of shells.values()) exit(1);
    shells.clear();
    if (lastView !== null && lastView.link.phase !== 'failed') {
      const info = error instanceof DrydockError ? error.toInfo() : { code: 'io' as const, message: error.message };
      lastView = { ...lastView, link: { phase: 'failed', error: info } };
      for (const listener of views) listener(lastView);
    }
  };
  worker.on('error', (error: unknown) => fail(error instanceof Error ? error : new Error(String(error))));
  worker.on('exit', () =>
    fail(new DrydockError('link-lost', 'The engine thread ended.', { hint: 'Start the console again.' })),
  );
  worker.on('message', (message: FromEngine) => {
    switch (message.type) {
      case 'view': {
        const { view } = message;
        lastView = { ...view, sync: { ...view.sync, rows: edited(lastView?.sync.rows ?? [], message.rows) } };
        for (const listener of views) listener(lastView);
        return;
      }
      case 'logs':
        if (logs.size === 0) early = [...early, ...message.lines].slice(-10_000);
        for (const listener of logs) listener(message.lines);
        return;
      case 'event':
        for (const listener of events) listener(message.event);
        return;
      case 'result':
        pending.get(message.id)?.resolve(message.value);
        pending.delete(message.id);
        return;
      case 'error':
        pending.get(message.id)?.reject(fromPlain(message.error));
        pending.delete(message.id);
        return;
      case 'shell-data':
        shells.get(message.id)?.onData(message.data);
        return;
      case 'shell-exit':
        shells.get(message.id)?.exit(message.exitCode);
        shells.delete(message.id);
        return;
    }
  });

  const ask = <T>(send: (id: number) => ToEngine): Promise<T> => {
    if (ended !== null) return Promise.reject(ended);
    const id = next++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    pending.set(id, { resolve, reject });
    post(send(id));
    return promise as Promise<T>;
  };
  const call = <M extends Plain>(method: M, ...args: Parameters<Engine[M]>) =>
    ask<Awaited<ReturnType<Engine[M]>>>((id) => ({ type: 'call', id, method, args }));

  return {
    subscribe: (listener) => {
      views.add(listener);
      if (lastView !== null) listener(lastView);
      return () => views.delete(listener);
    },
    logs: (listener) => {
      logs.add(listener);
      if (early.length > 0) listener(early);
      early = [];
      return () => logs.delete(listener);
    },
    events: (listener) => {
      events.add(listener);
      return () => events.delete(listener);
    },
    reload: () => call('reload'),
    probe: (name, profile) => call('probe', name, profile),
    commitPreview: () => call('commitPreview'),
    commit: (tag) => call('commit', tag),
    run: (image) => call('run', image),
    undoable: () => call('undoable'),
    undo: (id) => call('undo', id),
    compare: (kept) => call('compare', kept),
    settle: (kept, take) => call('settle', kept, take),
    toggleModels: () => call('toggleModels'),
    score: () => call('score'),
    exchange: (id) => call('exchange', id),
    replay: (id) => call('replay', id),
    replayAll: () => call('replayAll'),
    load: (rate, seconds) => call('load', rate, seconds),
    stopAsking: () => call('stopAsking'),
    toggleDebug: () => call('toggleDebug'),
    holdForDebugger: () => call('holdForDebugger'),
    toggleListen: () => call('toggleListen'),
    answer: (question, value) => post({ type: 'answer', question, value }),
    shell: async (size, what) => {
      const { promise: exited, resolve: exit } = Promise.withResolvers<{ exitCode: number }>();
      let listener: ((data: Uint8Array) => void) | null = null;
      let waiting: Uint8Array[] = [];
      let number = 0;
      await ask<null>((id) => {
        number = id;
        shells.set(id, {
          onData: (data) => (listener === null ? waiting.push(data) : listener(data)),
          exit: (exitCode) => exit({ exitCode }),
        });
        return { type: 'shell', id, size, ...(what !== undefined && { what }) };
      });
      const id = number;
      return {
        write: (data) => post({ type: 'shell-data', id, data }),
        resize: (newSize) => post({ type: 'shell-size', id, size: newSize }),
        close: () => post({ type: 'shell-close', id }),
        onData: (onData) => {
          listener = onData;
          for (const data of waiting) onData(data);
          waiting = [];
        },
        exited,
      };
    },
    close: async () => {
      if (ended === null) await call('close');
      await worker.terminate();
    },
  };
}

function toPlain(error: unknown): { code?: string; message: string; hint?: string } {
  if (error instanceof DrydockError) return error.toInfo();
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

function fromPlain({ code, message, hint }: { code?: string; message: string; hint?: string }): Error {
  return code !== undefined && isErrorCode(code) ? new DrydockError(code, message, { hint }) : new Error(message);
}
