/**
 * Everything that console and agent say to each other, in one place.
 *
 * The carrier is a WebSocket. A text frame is one JSON message of `Message`. A binary frame is a big-endian u32 stream
 * number and bytes: a chunk of an open stream, or (stream 0) an attached message: u32 length of the JSON, the JSON,
 * and the bytes that it speaks of, in order, each announced in the JSON as `{size}`.
 *
 * The first message each way is `hello`; versions must be equal, since the console brings its own agent. Both ends
 * parse everything by schema and end the session on a violation; the container is taken for hostile.
 */
import { z } from 'zod';
import type { ModelList } from './models.ts';
import type { Exchange, LoadResult, Outgoing, Summary } from './requests.ts';
import type {
  AgentFacts,
  DebuggerState,
  ProbeReport,
  PythonFailure,
  ReloadResult,
  ServiceState,
  StartCheck,
} from './service.ts';
import { LEFT_LIMIT } from './sync/endpoint.ts';

/** Changes whenever a message does. */
export const PROTOCOL_VERSION = 1;

/** Bytes. A larger frame ends the session. */
export const MAX_FRAME = 32 * 1024 * 1024;
/** Objects and arrays in one message: in memory each takes many times what it takes in JSON. */
export const MAX_VALUES = 2_000_000;
/** Pieces of bytes attached to one message. */
export const MAX_ATTACHED = 10_000;
/** Calls of one end that are served at once, and streams. */
export const MAX_CALLS = 256;
export const MAX_STREAMS = 256;
/** Bytes attached to calls that are being served, and bytes that the other end has not taken from the connection. */
export const MAX_WAITING = 4 * MAX_FRAME;
/** Characters of a path. */
export const MAX_PATH = 8192;
/** Folders in folders: as many as a path of Linux has (PATH_MAX), and no more than a walk through them can go down. */
const MAX_DEPTH = 2048;
/** A stream's chunk is cut to this, so that a key press never waits behind more. Bytes. */
export const MAX_CHUNK = 64 * 1024;
/** Bytes that may be under way on one stream before the receiver grants more. */
export const STREAM_WINDOW = 512 * 1024;
/** Heartbeat in milliseconds; a peer silent for three of them is gone (a paused container: see the console's engine). */
export const HEARTBEAT_MS = 5_000;

const id = z.int().nonnegative();
const stream = z.int().positive();
/** Sizes of the attached bytes. */
const attachedSchema = z.array(id).max(MAX_ATTACHED);

export const errorInfoSchema = z.object({ code: z.string(), message: z.string(), hint: z.string().exactOptional() });

export const messageSchema = z.discriminatedUnion('t', [
  z.object({
    t: z.literal('hello'),
    protocol: z.int(),
    /** Digest of the build: equal on both sides, or the agent is replaced. */
    build: z.string().max(128),
    role: z.enum(['control', 'bulk', 'agent']),
    /** Joins a console's bulk connection to its control connection. */
    session: z.string().max(64),
  }),
  z.object({
    t: z.literal('call'),
    id,
    method: z.string().max(64),
    params: z.unknown(),
    attached: attachedSchema.exactOptional(),
  }),
  z.object({ t: z.literal('result'), id, value: z.unknown(), attached: attachedSchema.exactOptional() }),
  z.object({ t: z.literal('error'), id, error: errorInfoSchema }),
  z.object({ t: z.literal('cancel'), id }),
  z.object({
    t: z.literal('event'),
    name: z.string().max(64),
    value: z.unknown(),
    attached: attachedSchema.exactOptional(),
  }),
  /** Opens a stream; the opener numbers it, odd for the console and even for the agent. */
  z.object({ t: z.literal('open'), stream, kind: z.string().max(64), params: z.unknown() }),
  z.object({ t: z.literal('opened'), stream, value: z.unknown() }),
  /** The sender will send no more bytes. */
  z.object({ t: z.literal('end'), stream }),
  /** Both directions are over; `error` says why when it was not asked for, `value` is the stream's last word (an exit code). */
  z.object({
    t: z.literal('close'),
    stream,
    value: z.unknown().exactOptional(),
    error: errorInfoSchema.exactOptional(),
  }),
  z.object({ t: z.literal('window'), stream, bytes: id }),
  /** A word about an open stream: the size of a shell's terminal. */
  z.object({ t: z.literal('control'), stream, value: z.unknown() }),
  z.object({ t: z.literal('ping'), n: id }),
  z.object({ t: z.literal('pong'), n: id }),
]);

export type Message = z.infer<typeof messageSchema>;
export type Role = 'control' | 'bulk';

// Methods, events and streams -----------------------------------------------------------------------------------------

const path = z.string().max(MAX_PATH);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

interface WireFile {
  readonly kind: 'file';
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly exec: boolean;
}
interface WireLink {
  readonly kind: 'link';
  readonly target: string;
}
const opaqueSchema = z.object({
  kind: z.literal('opaque'),
  reason: z.enum(['unreadable', 'special', 'mount', 'outside-link', 'name', 'busy']),
});
/** A tree on the wire: a folder's children as pairs, since names may be anything (`__proto__` included). */
export type WireNode =
  WireFile | WireLink | z.infer<typeof opaqueSchema> | { kind: 'dir'; children: [string, WireNode][] };
/** By hand: a schema's walk through 20,000 files takes as long as looking at them does. */
export const nodeSchema = z.custom<WireNode>((value) => isWireNode(value, 0));

const REASONS: ReadonlySet<unknown> = new Set(opaqueSchema.shape.reason.options);
const DIGEST = /^[0-9a-f]{64}$/;

function isWireNode(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, digest, size, exec, target, reason, children } = value as Readonly<Record<string, unknown>>;
  switch (kind) {
    case 'file':
      return isText(digest, 64) && DIGEST.test(digest) && isCount(size) && typeof exec === 'boolean';
    case 'link':
      return isText(target, MAX_PATH);
    case 'opaque':
      return REASONS.has(reason);
    case 'dir':
      if (depth >= MAX_DEPTH || !Array.isArray(children)) return false;
      for (const pair of children as readonly unknown[]) {
        if (!Array.isArray(pair) || pair.length !== 2 || !isText(pair[0], 1024)) return false;
        if (!isWireNode(pair[1], depth + 1)) return false;
      }
      return true;
    default:
      return false;
  }
}

/** What stands at a path, or is to stand there; null for nothing. A folder without what is in it. */
type WireEntry = WireFile | WireLink | { readonly kind: 'dir' } | null;
interface WireChange {
  readonly path: string;
  readonly before: WireEntry;
  readonly after: WireEntry;
}
/** By hand, for they come by the thousand as well. Nothing but what is known of each. */
const changeSchema = z
  .custom<WireChange>((value) => {
    if (typeof value !== 'object' || value === null) return false;
    const { path, before, after } = value as Readonly<Record<string, unknown>>;
    return isText(path, MAX_PATH) && isWireEntry(before) && isWireEntry(after);
  })
  .transform(({ path, before, after }): WireChange => ({ path, before: bare(before), after: bare(after) }));

/** The same of one entry. */
export const entrySchema = z.custom<WireEntry>(isWireEntry).transform(bare);

function isWireEntry(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value === null;
  const { kind } = value as Readonly<Record<string, unknown>>;
  return kind === 'dir' || (kind !== 'opaque' && isWireNode(value, 0));
}

function bare(entry: WireEntry): WireEntry {
  switch (entry?.kind) {
    case undefined:
      return null;
    case 'file':
      return { kind: 'file', digest: entry.digest, size: entry.size, exec: entry.exec };
    case 'link':
      return { kind: 'link', target: entry.target };
    case 'dir':
      return { kind: 'dir' };
  }
}

function isText(value: unknown, most: number): value is string {
  return typeof value === 'string' && value.length <= most;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

const endpoint = z.int().positive();
const blob = z.int().nonnegative(); // index into the attached bytes

export const endpointInfoSchema = z.object({
  root: path,
  writable: z.boolean(),
  hardLinks: z.boolean(),
  symlinks: z.boolean(),
  execBit: z.boolean(),
  caseSensitive: z.boolean(),
  mount: z.boolean(),
});

const victimSchema = z.object({
  digest,
  size: id,
  exec: z.boolean(),
  data: blob.exactOptional(),
  held: z.string().max(128).exactOptional(),
});

const leftSchema = z.object({
  path,
  before: z.object({ kind: z.literal('file'), digest, size: id, exec: z.boolean() }),
  after: entrySchema,
  held: z.string().max(128),
});

const outcomeSchema = z.discriminatedUnion('result', [
  z.object({ path, result: z.literal('done'), victim: victimSchema.exactOptional() }),
  z.object({ path, result: z.literal('refused'), found: nodeSchema.nullable(), data: blob.exactOptional() }),
  z.object({
    path,
    result: z.literal('failed'),
    reason: z.enum([
      'read-only',
      'no-permission',
      'no-space',
      'name',
      'content-moved',
      'occupied',
      'unsupported',
      'io',
    ]),
    message: z.string(),
  }),
]);

const modelName = z.string().regex(/^[A-Za-z0-9][\w.-]{0,254}$/);

/** Entries of one `model.list`; more are not listed. */
export const MAX_MODEL_ENTRIES = 20_000;
const modelStamp = z.string().max(256);
export const modelListSchema: z.ZodType<ModelList> = z.object({
  folder: path.nullable(),
  entries: z
    .array(
      z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('file'), path, size: id, mtime: z.int(), exec: z.boolean(), stamp: modelStamp }),
        z.object({ kind: z.literal('link'), path, target: path }),
        z.object({ kind: z.literal('dir'), path }),
        z.object({ kind: z.literal('left'), path, reason: z.string().max(256) }),
      ]),
    )
    .max(MAX_MODEL_ENTRIES),
  whole: z.boolean(),
});

const frameSchema = z.object({
  file: z.string(),
  line: z.int(),
  function: z.string(),
  code: z.string().exactOptional(),
  user: z.boolean(),
  locals: z
    .array(z.object({ name: z.string(), type: z.string(), value: z.string() }))
    .max(100)
    .exactOptional(),
});

const failureSchema: z.ZodType<PythonFailure> = z.object({
  type: z.string(),
  message: z.string(),
  traceback: z.string(),
  frames: z.array(frameSchema),
  hint: z.string().exactOptional(),
});

const stageSchema = z.enum(['find', 'compile', 'import', 'init', 'gate', 'switch', 'answer']);

export const reloadResultSchema: z.ZodType<ReloadResult> = z.object({
  ok: z.boolean(),
  generation: id,
  ms: z.number(),
  stage: stageSchema,
  stages: z.array(z.object({ name: stageSchema, ms: z.number() })),
  error: failureSchema.exactOptional(),
  way: z.enum(['candidate', 'trial']).exactOptional(),
  gate: z
    .object({
      path: z.string(),
      status: z.string(),
      ms: z.number(),
      answer: z.string(),
      before: z.object({ status: z.string(), answer: z.string() }).exactOptional(),
    })
    .exactOptional(),
  exclusive: z.boolean().exactOptional(),
  needs: z.literal('container-restart').exactOptional(),
  at: z.number(),
  output: z.string().exactOptional(),
});

export const startCheckSchema: z.ZodType<StartCheck> = z.object({
  ok: z.boolean(),
  error: failureSchema.exactOptional(),
  answers: z.object({ path: z.string(), now: z.string(), fresh: z.string() }).exactOptional(),
  skipped: z.string().exactOptional(),
  generation: id,
  ms: z.number(),
  at: z.number(),
});

const sampleSchema = z.object({ contentType: z.string(), body: z.string().max(1_400_000) });
/** Probes of one batch share one boot of the code. */
const batch = z.string().max(64).exactOptional();

const wishes = {
  port: z.int().exactOptional(),
  scorePath: z.string().exactOptional(),
  healthPath: z.string().exactOptional(),
  gate: z.boolean().exactOptional(),
  sample: sampleSchema.exactOptional(),
  capture: z.boolean().exactOptional(),
  variables: z.boolean().exactOptional(),
  redact: z.array(z.string().min(1).max(256)).max(100).readonly().exactOptional(),
  hook: z.boolean().exactOptional(),
  warm: z.boolean().exactOptional(),
};

const debuggerSchema: z.ZodType<DebuggerState> = z.object({
  pid: z.int().nullable(),
  version: z.string().nullable(),
  own: z.boolean(),
  clients: id,
  waitsUntil: z.number().nullable(),
  trouble: z.string().nullable(),
});

export const serviceStateSchema: z.ZodType<ServiceState> = z.object({
  server: z.enum(['azmlinfsrv', 'gunicorn', 'other', 'none']),
  supervisor: z.enum(['runit', 'pid1', 'none']),
  found: z.object({
    how: z.string(),
    port: z.string().nullable(),
    root: z.string(),
    entry: z.string().nullable(),
    interpreter: z.string().nullable(),
  }),
  masterPid: z.int().nullable(),
  workers: z.array(z.object({ pid: z.int(), startedAt: z.number() })),
  port: z.int().nullable(),
  loopback: z.boolean(),
  scorePath: z.string(),
  healthPath: z.string(),
  user: z.string(),
  uid: z.int(),
  interpreter: z.string().nullable(),
  pythonVersion: z.string().nullable(),
  cwd: z.string().nullable(),
  entryScript: z.string().nullable(),
  health: z.enum(['healthy', 'unhealthy', 'unreachable', 'unknown']),
  hold: z.object({ held: z.boolean(), reason: z.string().exactOptional() }),
  desired: id,
  live: id,
  phase: z.enum(['idle', 'checking', 'switching', 'answering']),
  liveSince: z.number().nullable(),
  lastReload: reloadResultSchema.nullable(),
  way: z.object({ kind: z.enum(['candidate', 'trial']), reason: z.string().exactOptional() }),
  held: failureSchema.nullable(),
  startCheck: startCheckSchema.nullable(),
  exits: z
    .array(
      z.object({
        pid: z.int().nullable(),
        at: z.number(),
        cause: z.enum(['memory', 'timeout', 'signal', 'code', 'unknown']),
        words: z.string(),
      }),
    )
    .max(100),
  debugger: debuggerSchema.nullable(),
  cannotReload: z.string().exactOptional(),
});

export const probeReportSchema: z.ZodType<ProbeReport> = z.object({
  probe: z.string(),
  ok: z.boolean(),
  steps: z.array(
    z.object({
      name: z.string(),
      ok: z.boolean(),
      skipped: z.literal(true).exactOptional(),
      detail: z.string(),
      hint: z.string().exactOptional(),
      place: z
        .object({
          file: path,
          line: z.int(),
          source: z.object({ first: z.int(), lines: z.array(z.string().max(1000)).max(100) }).exactOptional(),
        })
        .exactOptional(),
      failure: failureSchema.exactOptional(),
    }),
  ),
  ms: z.number(),
});

const base64 = z.string().max(MAX_FRAME);
const httpHeaders = z.record(z.string().max(256), z.string().max(16_384));
const outgoing = {
  method: z.string().regex(/^[A-Z]{1,20}$/),
  path: z.string().startsWith('/').max(MAX_PATH),
  query: z.string().max(MAX_PATH),
  headers: httpHeaders,
  body: base64,
};
export const outgoingSchema: z.ZodType<Outgoing> = z.object(outgoing);
const kept = {
  id: z.string().max(64),
  at: z.number(),
  source: z.enum(['client', 'score', 'replay']),
  method: z.string().max(64),
  path: z.string().max(65_536),
  query: z.string().max(65_536),
  cut: z.boolean(),
  status: z.int(),
  ms: z.number(),
  answerCut: z.boolean(),
  fresh: z.boolean(),
  trouble: z.string().exactOptional(),
};
export const exchangeSchema: z.ZodType<Exchange> = z.object({
  ...kept,
  headers: httpHeaders,
  body: base64,
  told: z.array(z.tuple([z.string(), z.string()]).readonly()).max(100),
  answer: base64,
  failure: failureSchema.nullable(),
});
export const summarySchema: z.ZodType<Summary> = z.object({
  ...kept,
  size: id,
  failed: z.string().max(2048).nullable(),
});

const millis = z.number();
const loadResultSchema: z.ZodType<LoadResult> = z.object({
  sent: id,
  achieved: z.number(),
  statuses: z.record(z.string().max(8), id),
  ms: z.object({ p50: millis, p90: millis, p95: millis, p99: millis, max: millis }).nullable(),
  runMs: millis.nullable(),
});

export const agentFactsSchema: z.ZodType<AgentFacts> = z.object({
  version: z.string(),
  pid: z.int(),
  uid: z.int(),
  root: path,
  rootReason: z.string(),
  wayIn: z.enum(['baked', 'volume', 'injected']),
  kitDir: path,
  bootId: z.string(),
});

/** What the console may call: parameters and result of each. Blobs are indexes into the attached bytes. */
export const methods = {
  /** `root` is `--root`: another one than before is refused while a console is attached. */
  facts: { params: z.object({ root: path.exactOptional() }), result: agentFactsSchema },
  /** Opens the folder as a sync endpoint of this connection; `rules` are ignore lines, later ones win. */
  'sync.open': {
    params: z.object({ root: path, rules: z.array(z.string().max(4096)).max(10_000) }),
    result: z.object({ endpoint, info: endpointInfoSchema }),
  },
  'sync.scan': { params: z.object({ endpoint }), result: z.object({ root: nodeSchema.nullable() }) },
  /** From now on `sync.changes` and `sync.lost` events come. */
  'sync.watch': { params: z.object({ endpoint }), result: z.object({}) },
  'sync.unwatch': { params: z.object({ endpoint }), result: z.object({}) },
  'sync.apply': {
    params: z.object({
      endpoint,
      changes: z.array(changeSchema).max(50_000),
      /** Inline content by digest; what is not here comes through the bulk connection as a `content` stream. */
      inline: z.array(z.object({ digest, data: blob })),
      /** More of the same batch follows: nothing is made of what has changed until all of it is there. */
      more: z.boolean().optional(),
    }),
    result: z.object({ outcomes: z.array(outcomeSchema) }),
  },
  /** Victims of batches whose answer the console may not have heard. */
  'sync.left': {
    params: z.object({ endpoint }),
    result: z.object({ left: z.array(leftSchema).max(LEFT_LIMIT) }),
  },
  'sync.release': { params: z.object({ endpoint, held: z.array(z.string().max(128)) }), result: z.object({}) },
  'sync.close': { params: z.object({ endpoint }), result: z.object({}) },

  'service.state': { params: z.object({}), result: serviceStateSchema },
  /** Boots the code on disk and makes it serve; waits for one in flight and covers what it did not. */
  'service.reload': { params: z.object({}), result: reloadResultSchema },
  /** Whether a fresh start would serve the code on disk. */
  'service.check-start': { params: z.object({ batch }), result: startCheckSchema },
  /** While at least one connection wants it, changed code is reloaded by itself, and `finish` is held. */
  'service.follow': {
    params: z.object({
      auto: z.boolean(),
      ...wishes,
    }),
    result: serviceStateSchema,
  },

  /**
   * While at least one connection wants it, a debugger listens in one worker, also of later code; `wait` boots the code on
   * disk anew and holds it before its import for so many seconds, or until a client has come. Resolves when one listens.
   */
  'service.debug': {
    params: z.object({ on: z.boolean(), wait: z.number().positive().max(86_400).exactOptional() }),
    result: debuggerSchema,
  },
  /** A worker that can be forked for a prompt, and the scripts whose names it is to have. The code is booted anew where need be. */
  'service.door': {
    params: z.object({}),
    result: z.object({ pid: z.int(), interpreter: z.string(), entries: z.array(path) }),
  },
  /** Listens on the container's loopback for workers that dial out; a `dialled` stream comes for each. Null: no longer. */
  'debug.listen': {
    params: z.object({ port: z.int().min(1).max(65_535).nullable() }),
    /** What the service's environment says in AZUREML_DEBUG_PORT. */
    result: z.object({ told: z.string().nullable() }),
  },

  /** The last requests to the service; with `watch` a `request` event comes for each further one. */
  'requests.list': {
    params: z.object({ watch: z.boolean() }),
    result: z.object({ requests: z.array(summarySchema).max(1000), bytes: id, limit: id }),
  },
  'requests.get': {
    params: z.object({ id: z.string().max(64) }),
    result: z.object({ exchange: exchangeSchema.nullable() }),
  },
  /** Sends one to the service; of a failure the cause is told although the service hides it. */
  'requests.send': {
    params: z.object({
      request: outgoingSchema,
      timeoutMs: z.number().positive(),
      source: z.enum(['score', 'replay']),
    }),
    result: exchangeSchema,
  },
  /** One that the console has sent itself: kept, and of a failure the cause is told by the same. */
  'requests.keep': { params: z.object({ exchange: exchangeSchema }), result: exchangeSchema },
  /** The sample, or the last good request. */
  'requests.sample': { params: z.object({}), result: z.object({ request: outgoingSchema.nullable() }) },
  'requests.load': {
    params: z.object({
      ...outgoing,
      rate: z.number().positive().max(100_000),
      seconds: z.number().positive().max(86_400),
    }),
    result: loadResultSchema,
  },

  'probe.run': {
    params: z.object({
      name: z.enum(['env', 'entry', 'imports', 'model-path', 'model', 'init', 'run', 'health']),
      /** The engine that runs the container, as the console calls it: `docker: default`. */
      engine: z.string(),
      model: z.string().exactOptional(),
      version: z.int().exactOptional(),
      /** Of `init`: what each import and each load of a model takes. */
      profile: z.boolean().exactOptional(),
      /** Of `run`: what it is asked, instead of the sample; base64. */
      data: sampleSchema.exactOptional(),
      batch,
    }),
    result: probeReportSchema,
  },

  /** Where a new version of a model would go. */
  'model.look': {
    params: z.object({ name: modelName }),
    result: z.object({
      /** A scoring service was found. */
      runs: z.boolean(),
      /** Its code calls Model.get_model_path; else it reads AZUREML_MODEL_DIR, which names one version. */
      asks: z.boolean(),
      /** `azureml-models`; null when the worker's Python did not say. */
      folder: path.nullable(),
      /** The mount point at or below that folder that would hold the version. */
      mount: path.nullable(),
      writable: z.boolean(),
      modelDir: path.nullable(),
      next: z.int().positive(),
    }),
  },

  /** What lies in `azureml-models` now; with `watch` a `models` event comes whenever it differs. */
  'model.list': { params: z.object({ watch: z.boolean() }), result: modelListSchema },

  /** Before a commit: staging emptied, `finish` as it was; with `dropKit` the kit unlinked, where the agent may. */
  'commit.prepare': { params: z.object({ dropKit: z.boolean() }), result: z.object({ kitDropped: z.boolean() }) },
  'commit.done': { params: z.object({}), result: z.object({}) },

  /** Leaves the container as it was found and ends the daemon; the console takes an injected kit away. */
  detach: { params: z.object({}), result: z.object({}) },
} as const;

export type Methods = typeof methods;
export type MethodName = keyof Methods;
export type Params<M extends MethodName> = z.infer<Methods[M]['params']>;
export type Result<M extends MethodName> = z.infer<Methods[M]['result']>;

/** What the agent tells unasked. */
export const events = {
  'sync.changes': z.object({
    endpoint,
    changes: z.array(z.object({ path, node: nodeSchema.nullable(), data: blob.exactOptional() })),
  }),
  'sync.lost': z.object({ endpoint, reason: z.string() }),
  models: modelListSchema,
  service: serviceStateSchema,
  /** A further one is kept, and how many bytes all of them take now. */
  request: z.object({ summary: summarySchema, bytes: id }),
} as const;
export type EventName = keyof typeof events;
export type EventValue<E extends EventName> = z.infer<(typeof events)[E]>;

/** Streams by kind: parameters, the answer to the opening, and the last word that closes each. */
export const streams = {
  shell: {
    params: z.object({
      columns: z.int().min(1).max(1000),
      rows: z.int().min(1).max(1000),
      /** The user's shell when absent. */
      argv: z.array(z.string()).min(1).exactOptional(),
      term: z.string().max(64),
    }),
    opened: z.object({ pid: z.int(), python: z.string().nullable(), cwd: z.string() }),
    last: z.object({ exitCode: z.int(), signal: z.int().exactOptional() }),
    control: z.object({ columns: z.int().min(1).max(1000), rows: z.int().min(1).max(1000) }),
  },
  /** One command without a terminal, in the serving worker's environment: stdin in, stdout out; stderr merged into it. */
  exec: {
    params: z.object({ argv: z.array(z.string()).min(1), cwd: path.exactOptional() }),
    opened: z.object({ pid: z.int() }),
    last: z.object({ exitCode: z.int() }),
    control: z.object({}),
  },
  /** A TCP connection to the container's own loopback. */
  tcp: {
    params: z.object({ port: z.int().min(1).max(65_535) }),
    opened: z.object({}),
    last: z.object({}),
    control: z.object({}),
  },
  /** A connection to the debugger of the worker that is debugged in this moment. */
  debug: { params: z.object({}), opened: z.object({ pid: z.int() }), last: z.object({}), control: z.object({}) },
  /** Bulk, from the agent: a worker has dialled the port of `debug.listen`. */
  dialled: { params: z.object({}), opened: z.object({}), last: z.object({}), control: z.object({}) },
  /** Bulk: bytes of a file that has this digest, to the console; the last word says when it moved meanwhile. */
  read: {
    params: z.object({ endpoint, path, digest }),
    opened: z.object({}),
    last: z.object({ ok: z.boolean() }),
    control: z.object({}),
  },
  readHeld: {
    params: z.object({ endpoint, held: z.string().max(128) }),
    opened: z.object({}),
    last: z.object({ ok: z.boolean() }),
    control: z.object({}),
  },
  /** Bulk: a tar of a model's one entry; the last word says what became of it, once the service was reloaded on it. */
  model: {
    /** `folder` as `model.look` told it. */
    params: z.object({ name: modelName, folder: path }),
    opened: z.object({}),
    last: z.object({
      /** Null where it was taken away again: the reload says why. */
      version: z.int().positive().nullable(),
      path: path.nullable(),
      bytes: id,
      reload: reloadResultSchema,
    }),
    control: z.object({}),
  },
  /**
   * Bulk: a file of `azureml-models`, as it was listed, to the console, which has `from` bytes of it with the digest
   * `prefix`. The last word has the whole file's digest, null when it was touched meanwhile.
   */
  modelFile: {
    params: z.object({ folder: path, path, stamp: modelStamp, from: id, prefix: digest }),
    /** Where the bytes begin: at `from`, at 0 where that prefix is not this file's, null where the file is not there as listed. */
    opened: z.object({ from: id.nullable() }),
    last: z.object({ digest: digest.nullable() }),
    control: z.object({}),
  },
  /** Bulk: bytes that a pending `sync.apply` waits for. The agent opens it, the console sends. */
  content: {
    params: z.object({ endpoint, digest, path }),
    opened: z.object({}),
    last: z.object({ ok: z.boolean() }),
    control: z.object({}),
  },
} as const;
export type StreamKind = keyof typeof streams;
export type StreamParams<K extends StreamKind> = z.infer<(typeof streams)[K]['params']>;
export type StreamOpened<K extends StreamKind> = z.infer<(typeof streams)[K]['opened']>;
export type StreamLast<K extends StreamKind> = z.infer<(typeof streams)[K]['last']>;
