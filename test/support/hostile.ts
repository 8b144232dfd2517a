/** What a hostile peer may say: frames that are none, and frames of the protocol with paths that lead elsewhere. */
import fc from 'fast-check';
import { MAX_CHUNK, PROTOCOL_VERSION } from '../../shared/core/protocol.ts';

export type RawFrame = string | Uint8Array;

const digest = 'a'.repeat(64);
const file = { kind: 'file', digest, size: 1, exec: false };
const tree = {
  kind: 'dir',
  children: [
    ['a', file],
    ['d', { kind: 'dir', children: [['b', { kind: 'link', target: 'a' }]] }],
  ],
};

/** One valid message of each kind, as either end may say it. */
const VALID: readonly Record<string, unknown>[] = [
  { t: 'hello', protocol: PROTOCOL_VERSION, build: 'b', role: 'control', session: 's' },
  { t: 'call', id: 1, method: 'sync.scan', params: { endpoint: 1 } },
  { t: 'call', id: 2, method: 'facts', params: {} },
  {
    t: 'call',
    id: 3,
    method: 'sync.apply',
    params: { endpoint: 1, changes: [{ path: 'a', before: null, after: file }], inline: [] },
  },
  { t: 'call', id: 4, method: 'sync.open', params: { root: '/nowhere', rules: ['*.pyc'] } },
  { t: 'call', id: 5, method: 'sync.release', params: { endpoint: 1, held: ['victim-1'] } },
  { t: 'result', id: 1, value: { root: tree } },
  { t: 'result', id: 2, value: { outcomes: [{ path: 'a', result: 'refused', found: tree }] } },
  { t: 'error', id: 1, error: { code: 'io', message: 'm', hint: 'h' } },
  { t: 'cancel', id: 1 },
  { t: 'event', name: 'sync.changes', value: { endpoint: 1, changes: [{ path: 'a', node: tree }] } },
  { t: 'event', name: 'sync.lost', value: { endpoint: 1, reason: 'r' } },
  { t: 'open', stream: 1, kind: 'read', params: { endpoint: 1, path: 'a', digest } },
  { t: 'open', stream: 2, kind: 'content', params: { endpoint: 1, path: 'a', digest } },
  { t: 'open', stream: 3, kind: 'readHeld', params: { endpoint: 1, held: 'victim-1' } },
  { t: 'opened', stream: 1, value: {} },
  { t: 'end', stream: 1 },
  { t: 'close', stream: 1, value: { ok: true } },
  { t: 'window', stream: 1, bytes: 10 },
  { t: 'control', stream: 1, value: {} },
  { t: 'ping', n: 1 },
  { t: 'pong', n: 1 },
];

const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(null, true, '', -1, 0, 1.5, 2 ** 53, 1e308, [], {}, [[]], '__proto__', 'constructor', '\0', '\uD800'),
  fc
    .integer({ min: 1, max: 1000 })
    .map((depth) => ({ deep: JSON.parse('['.repeat(depth) + ']'.repeat(depth)) as unknown })),
  fc.integer({ min: 1, max: 20_000 }).map((length) => 'x'.repeat(length)),
  fc.integer({ min: 1, max: 2000 }).map((length) => Array.from({ length }, () => 0)),
  fc.jsonValue({ maxDepth: 4 }),
);

/** A value somewhere in the message is another one, or gone, or there is one more. */
const bent: fc.Arbitrary<unknown> = fc
  .tuple(fc.constantFrom(...VALID), fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), odd, fc.nat(5))
  .map(([message, way, value, how]) => {
    const made = structuredClone(message);
    let at: unknown = made;
    for (const [depth, step] of way.entries()) {
      if (typeof at !== 'object' || at === null) break;
      const keys = Object.keys(at);
      const key = keys[step % (keys.length || 1)] ?? 'more';
      const record = at as Record<string, unknown>;
      if (depth < way.length - 1 && typeof record[key] === 'object' && record[key] !== null) {
        at = record[key];
        continue;
      }
      if (how === 0) Reflect.deleteProperty(record, key);
      else if (how === 1) record[`${key}2`] = value;
      else record[key] = value;
      break;
    }
    return made;
  });

const text = (message: unknown) => JSON.stringify(message);

/** Truncated, or with other bytes in it. */
const broken = fc
  .tuple(fc.constantFrom(...VALID).map(text), fc.nat(), fc.uint8Array({ maxLength: 8 }), fc.boolean())
  .map(([whole, at, bytes, cut]): RawFrame => {
    const data = Buffer.from(whole);
    const end = at % data.length;
    return Buffer.concat(cut ? [data.subarray(0, end)] : [data.subarray(0, end), bytes, data.subarray(end)]).toString(
      'latin1',
    );
  });

const u32 = (value: number) => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(value);
  return head;
};

const binary: fc.Arbitrary<RawFrame> = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  // A chunk of a stream that is open, or of one that is none.
  fc
    .tuple(fc.constantFrom(1, 2, 3, 4, 2 ** 32 - 1), fc.nat(2 * MAX_CHUNK))
    .map(([id, size]) => Buffer.concat([u32(id), Buffer.alloc(size)])),
  // An attached message whose lengths are not those of its parts.
  fc
    .tuple(
      fc.constantFrom(...VALID),
      fc.array(fc.oneof(fc.nat(20), fc.constantFrom(2 ** 31, 2 ** 52, -1, 0.5)), { maxLength: 5 }),
      fc.nat(60),
      fc.integer({ min: -5, max: 5 }),
    )
    .map(([message, attached, size, off]) => {
      const json = Buffer.from(text({ ...message, attached }));
      return Buffer.concat([u32(0), u32(Math.max(0, json.length + off)), json, Buffer.alloc(size)]);
    }),
  fc.constantFrom(2 ** 32 - 1, 2 ** 31, 9).map((length) => Buffer.concat([u32(0), u32(length), Buffer.from('{}')])),
);

/** One frame; many of them end the session, some are of the protocol by chance. */
export const anyFrame: fc.Arbitrary<RawFrame> = fc.oneof(
  { weight: 6, arbitrary: bent.map(text) },
  { weight: 3, arbitrary: broken },
  { weight: 3, arbitrary: binary },
  { weight: 1, arbitrary: fc.constantFrom(...VALID).map(text) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 100_000 }).map((depth) => '['.repeat(depth) + ']'.repeat(depth)) },
);

/** One segment of a path, or what is taken for one. */
export const anyName = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('..', '.', '', 'd', 'a', 'x', 'out', 'abs', 'swap', 'sub') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '.drydock',
      'azureml-models',
      'a\0b',
      '\0',
      'é',
      'e\u0301',
      'A',
      '\uD800',
      '\uFFFD',
      '~',
      '...',
      'a\\b',
      '\\..',
      'C:',
      '%2e%2e',
      ' ',
      '\n',
      '__proto__',
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom('x'.repeat(255), 'x'.repeat(256), 'ü'.repeat(200), 'x'.repeat(1024)) },
);

/** In a root with links that lead out: `out` and `abs`, and `swap`, which is a folder at times. */
export const anyPath = (base: string): fc.Arbitrary<string> =>
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.array(anyName, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/').slice(0, 8192)),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        '..',
        '../secret/x',
        '../secret',
        'out/x',
        'abs/x',
        'swap/x',
        'd/../../secret/x',
        'd/out/x',
      ),
    },
    { weight: 1, arbitrary: fc.constantFrom(`${base}/secret/x`, '/etc/passwd', `//${base}/secret/x`, 'd//x', '/', '') },
    {
      weight: 1,
      arbitrary: fc.integer({ min: 1000, max: 4000 }).map((n) => Array.from({ length: n }, () => 'd').join('/')),
    },
  );

/** A sample, and the seed that makes it again: DRYDOCK_SEED. */
export function anySample<T>(
  arbitrary: fc.Arbitrary<T>,
  count: number,
): { readonly frames: readonly T[]; readonly seed: number } {
  const seed = Number(process.env['DRYDOCK_SEED'] ?? Date.now() % 2 ** 31);
  process.stdout.write(`seed ${seed}\n`);
  return { frames: fc.sample(arbitrary, { numRuns: count, seed }), seed };
}
