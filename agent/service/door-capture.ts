/** Requests to what the hook is not in: processes that serve by uvicorn are asked through their door to tell of them. */
import { randomBytes } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import { z } from 'zod';
import { capturedSchema, type Captured } from '../hook/messages.ts';
import { hasDoor } from './debugger.ts';
import { processKey } from './find.ts';
import type { Process } from './procfs.ts';
import { parseFacts, runPython } from './python.ts';
import type { WorkerContext } from './worker.ts';

/** As agent/python/capture.py answers. */
const answerSchema = z.object({ asked: z.array(z.int()), serving: z.array(z.int()) });

/** As drydock_hook/served.py tells, one a connection. */
const toldSchema = z.union([
  z.object({ key: z.string(), serves: z.int() }),
  z.object({ key: z.string(), captured: capturedSchema }),
]);

/** Bytes; a process tells less (MAX_DATAGRAM of drydock_hook/requests.py). */
const MAX_TOLD = 256 * 1024;
/** What is told comes at once. */
const TELLING_MS = 5_000;
/** Connections at once; a further one is closed, and what it would tell is lost. */
const MAX_TELLING = 32;
/** Until a process that did not come to its door is asked again. */
const AGAIN_MS = 30_000;

export interface CaptureWishes {
  /** Files below it are the user's. */
  readonly root: string;
  readonly entry: string | null;
  /** Whether failures show the variables of their frames. */
  readonly variables: boolean;
  /** Words of names whose values are not shown. */
  readonly redact: readonly string[];
}

export interface DoorCaptureOptions {
  readonly kitDir: string;
  /** Those that serve, and how Python is run as they run it. */
  readonly serving: () => { readonly workers: readonly Process[]; readonly context: WorkerContext | null };
  readonly onCaptured: (captured: Captured) => void;
  readonly log: (text: string) => void;
}

export class DoorCapture {
  readonly #options: DoorCaptureOptions;
  #ear: Ear | null = null;
  /** One asks at a time. */
  #asking: Promise<void> | null = null;

  constructor(options: DoorCaptureOptions) {
    this.#options = options;
  }

  /**
   * Sees to it that those that serve now tell of requests; null: nobody does. Other wishes than before are another ear: who
   * knows only the old ones finds nobody there, and tells nothing until it has heard the new ones.
   */
  keep(wishes: CaptureWishes | null): Promise<void> {
    const text = JSON.stringify(wishes);
    if ((this.#ear?.text ?? 'null') !== text) {
      this.#ear?.close();
      this.#ear = wishes && new Ear(wishes, text, this.#options.onCaptured, this.#options.log);
    }
    this.#asking ??= this.#ask()
      .catch((error: unknown) => this.#options.log(`the service can't be asked to tell of requests: ${String(error)}`))
      .finally(() => (this.#asking = null));
    return this.#asking;
  }

  /** Whether one of them tells of the requests that it answers. */
  tells(workers: readonly Process[]): boolean {
    return workers.some(({ pid }) => this.#ear?.serving.has(pid) === true);
  }

  async #ask(): Promise<void> {
    for (let ear: Ear | null = null; ear !== this.#ear;) {
      ear = this.#ear; // and once more where it has become another meanwhile
      if (ear !== null) await this.#askFor(ear);
    }
  }

  async #askFor(ear: Ear): Promise<void> {
    const { kitDir, serving, log } = this.#options;
    const { workers, context } = serving();
    const now = performance.now();
    const due = workers.filter((one) => (ear.dueAt.get(processKey(one)) ?? now) <= now && hasDoor(one.pid));
    if (context === null || due.length === 0) return;
    const spec = { pids: due.map(({ pid }) => pid), name: ear.name, ...ear.wishes };
    const env = { ...context.env, DRYDOCK_KEY: ear.key }; // arguments are seen by everybody
    const { answer, output } = await runPython(kitDir, 'capture.py', { ...context, env }, spec);
    const told = parseFacts(answerSchema, answer);
    if (told === null) log(`capture.py failed: ${output}`);
    for (const one of due) {
      const asked = told?.asked.includes(one.pid) === true;
      ear.dueAt.set(processKey(one), asked ? Infinity : performance.now() + AGAIN_MS);
    }
    for (const pid of told?.serving ?? []) ear.serving.add(pid);
  }
}

/** Where processes tell, for as long as the wishes are the same. */
class Ear {
  readonly wishes: CaptureWishes;
  readonly text: string;
  readonly name = `drydock-capture-${randomBytes(8).toString('hex')}`;
  /** Whoever says it was asked. */
  readonly key = randomBytes(16).toString('hex');
  /** When a process is to be asked, by its key. */
  readonly dueAt = new Map<string, number>();
  /** Pids of those that have an application. */
  readonly serving = new Set<number>();
  readonly #onCaptured: (captured: Captured) => void;
  readonly #server = createServer((peer) => this.#hear(peer));

  constructor(
    wishes: CaptureWishes,
    text: string,
    onCaptured: (captured: Captured) => void,
    log: (text: string) => void,
  ) {
    this.wishes = wishes;
    this.text = text;
    this.#onCaptured = onCaptured;
    this.#server.maxConnections = MAX_TELLING;
    this.#server.on('error', (error) => log(`requests can't be told: ${error.message}`)).listen(`\0${this.name}`);
  }

  close(): void {
    this.#server.close();
  }

  #hear(peer: Socket): void {
    const parts: Buffer[] = [];
    let bytes = 0;
    peer.setTimeout(TELLING_MS, () => peer.destroy());
    peer
      .on('error', () => undefined)
      .on('data', (part) => {
        parts.push(part);
        if ((bytes += part.length) > MAX_TOLD) peer.destroy();
      });
    peer.once('end', () => this.#heard(Buffer.concat(parts).toString()));
  }

  #heard(text: string): void {
    const told = parseFacts(toldSchema, text);
    if (told === null || told.key !== this.key || !this.#server.listening) return;
    if ('serves' in told) this.serving.add(told.serves);
    else this.#onCaptured(told.captured);
  }
}
