/** What the hook in gunicorn's master and the agent say to each other: one JSON object a line (agent/hook/python). */
import { z } from 'zod';

/** As drydock_hook/failure.py describes an exception. */
export const failureSchema = z.object({
  type: z.string(),
  message: z.string(),
  traceback: z.string(),
  frames: z.array(
    z.object({
      file: z.string(),
      line: z.int(),
      function: z.string(),
      code: z.string().nullable(),
      user: z.boolean(),
      locals: z.array(z.object({ name: z.string(), type: z.string(), value: z.string() })).optional(),
    }),
  ),
  /** init() of the user's code is among the frames. */
  init: z.boolean(),
});

const gate = z.object({
  path: z.string(),
  /** `200 OK` */
  status: z.string(),
  ms: z.number(),
  answer: z.string(),
  before: z.object({ status: z.string(), answer: z.string() }).nullable(),
});

/** A request and its answer. */
const exchange = z.object({
  method: z.string(),
  path: z.string(),
  query: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
  status: z.string(),
  answer: z.string(),
});

export const capturedSchema = z.object({
  ...exchange.shape,
  /** Of the header X-Drydock-Request; null where none was sent. */
  id: z.string().nullable(),
  /** Epoch milliseconds at the end. */
  at: z.number(),
  pid: z.int(),
  ms: z.number(),
  /** The body is not whole. */
  cut: z.boolean(),
  answerCut: z.boolean(),
  /** Headers of the answer that say who made it. */
  told: z.array(z.tuple([z.string(), z.string()])),
  failure: failureSchema.nullable(),
});

/** Bytes of one variable, and of all: with more Linux starts no process. */
const MAX_VARIABLE = 128 * 1024 - 1;
const MAX_ENVIRONMENT = 1024 * 1024;

/** `os.environ`; null where it can be nobody's. */
const environment = z
  .record(z.string(), z.string())
  .refine((variables) => {
    const sizes = Object.entries(variables).map((both) => Buffer.byteLength(both.join('=')) + 1);
    return Math.max(0, ...sizes) <= MAX_VARIABLE && sizes.reduce((all, size) => all + size, 0) <= MAX_ENVIRONMENT;
  })
  .nullable()
  .catch(null);

export const fromHook = z.union([
  z.object({
    hello: z.object({
      /** Of the kit that it came with. */
      build: z.string(),
      pid: z.int(),
      /** Into a master that ran, by an agent that may be gone; false of one that came with the process. */
      injected: z.boolean().default(false), // older builds do not say it, and are to be understood to be taken out
      gunicorn: z.string(),
      python: z.string(),
      preload: z.boolean(),
      workerClass: z.string(),
      workers: z.array(z.int()),
      wanted: z.int(),
      /** Seconds without a heartbeat after which gunicorn ends a worker. */
      timeout: z.number(),
      /** Of the newest worker after it has loaded the application; the master's while no worker told. */
      environ: environment,
      /** Whether a good request is known. */
      request: z.boolean(),
      /** Folders of installed packages with their mtime (ms) before the master imported any; null when it has none. */
      packages: z.record(z.string(), z.number()).nullable(),
      /** What a worker that was held before answers with. */
      held: failureSchema.nullable(),
    }),
  }),
  z.object({ candidate: z.object({ generation: z.int(), pid: z.int(), stage: z.string() }) }),
  z.object({
    promoted: z.object({
      generation: z.int(),
      pid: z.int(),
      ms: z.number(),
      gate: gate.nullable(),
      /** The user's source files that were read. */
      files: z.array(z.string()),
      /** Installed modules that are imported. */
      modules: z.array(z.string()),
      /** The folders in which packages are installed. */
      sites: z.array(z.string()),
      environ: environment,
    }),
  }),
  z.object({
    rejected: z.object({
      generation: z.int(),
      stage: z.string(),
      /** Absent when a newer one or the agent's end superseded it. */
      failure: failureSchema.optional(),
      gate: gate.nullable().optional(),
      exclusive: z.boolean().optional(),
      reason: z.string().optional(),
    }),
  }),
  z.object({
    /** Every old worker was told to end: none of them accepts another request. */
    settled: z.object({ generation: z.int(), workers: z.array(z.int()), failure: failureSchema.optional() }),
  }),
  z.object({
    exit: z.object({
      pid: z.int(),
      code: z.int().nullable(),
      /** `SIGKILL` */
      signal: z.string().nullable(),
      /** gunicorn ended it for want of a heartbeat. */
      timeout: z.boolean(),
      booted: z.boolean(),
      /** Replaced by a newer one. */
      retired: z.boolean(),
    }),
  }),
  /** A fork of the master that serves nobody; it has `joined` when it does. */
  z.object({ apart: z.object({ pid: z.int() }) }),
  z.object({ joined: z.object({ pid: z.int() }) }),
  z.object({ spawned: z.object({ pid: z.int() }) }),
  z.object({ ready: z.object({ pid: z.int(), environ: environment }) }),
  z.object({ held: z.object({ pid: z.int(), failure: failureSchema }) }),
  z.object({
    warmed: z.object({ modules: z.array(z.string()), refused: z.record(z.string(), z.string()), ms: z.number() }),
  }),
  z.object({
    /** The request that the code which serves has passed the gate with, and its answer; null when there was none. */
    passed: exchange.nullable(),
  }),
  /** The last good request; null when there was none. */
  z.object({ request: exchange.nullable() }),
  z.object({
    /** Of a candidate: a debugger listens in it, or `error` says why not. */
    debug: z.object({
      pid: z.int(),
      port: z.int().optional(),
      version: z.string().optional(),
      /** debugpy is the image's own. */
      own: z.boolean().optional(),
      /** Seconds for which the code is held for a client; null when it is not, or no longer. */
      waits: z.number().nullable().optional(),
      /** Whether one came while it was held. */
      came: z.boolean().optional(),
      error: z.string().optional(),
    }),
  }),
  /** A request that passed. */
  z.object({ captured: capturedSchema }),
  z.object({ uninstalled: z.object({}) }),
]);

export type FromHook = z.infer<typeof fromHook>;
type Of<K extends string> = FromHook extends infer M ? (M extends Record<K, infer V> ? V : never) : never;

export type HookHello = Of<'hello'>;
export type Promoted = Of<'promoted'>;
export type Rejected = Of<'rejected'>;
export type Settled = Of<'settled'>;
export type WorkerExit = Of<'exit'>;
export type Warmed = Of<'warmed'>;
export type Passed = Of<'passed'>;
export type Captured = Of<'captured'>;
export type CandidateDebug = Of<'debug'>;
export type HookFailure = z.infer<typeof failureSchema>;

/** A request as the gate sends it. */
export interface GateRequest {
  readonly method: string;
  /** As it stands in a request line. */
  readonly path: string;
  readonly query: string;
  /** By their WSGI names: CONTENT_TYPE, HTTP_ACCEPT. */
  readonly headers: Readonly<Record<string, string>>;
  /** base64 */
  readonly body: string;
}

export type ToHook =
  | {
      readonly do: 'candidate';
      readonly generation: number;
      /** Files below it are the user's. */
      readonly root: string;
      readonly entry: string | null;
      /** Seconds. */
      readonly deadline: number;
      /** There is no room for two at once: the old workers go first, and come back when the new code fails. */
      readonly alone: boolean;
      /** What the new code is to answer before it serves; null for nothing. */
      readonly gate: 'last' | GateRequest | null;
    }
  | { readonly do: 'cancel' }
  /** Path → base64 of the sources that are taken for what is served, until a candidate is accepted. */
  | { readonly do: 'copy'; readonly files: Readonly<Record<string, string>> }
  | {
      readonly do: 'settings';
      /** False: requests pass as if nobody were there. */
      readonly capture: boolean;
      /** Whether failures show the variables of their frames. */
      readonly variables: boolean;
      /** Words of names whose values are not shown. */
      readonly redact: readonly string[];
    }
  | { readonly do: 'warm'; readonly modules: readonly string[]; readonly sites: readonly string[] }
  | { readonly do: 'passed' }
  | { readonly do: 'request' }
  | {
      readonly do: 'debug';
      /** Folder of the debuggers that the kit brings; null: candidates have none. */
      readonly bundled: string | null;
      /** Seconds for which the next candidate waits for a client before it imports the code; null for not at all. */
      readonly waits: number | null;
      /** Workers that are not ended for want of a heartbeat. */
      readonly pids: readonly number[];
    }
  | { readonly do: 'uninstall' };
