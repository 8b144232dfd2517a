/**
 * Runs inside a container: the agent's service behind JSON lines on stdio. Bundled by `bundleDriver`.
 *
 *   {"id": 1, "do": "reload"}  →  {"id": 1, "value": …}     and, unasked, {"state": …} after each change
 */
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { probeEnv } from '../../agent/probes/env.ts';
import { probeHealth } from '../../agent/probes/health.ts';
import { probeImports } from '../../agent/probes/imports.ts';
import { probeModelPath } from '../../agent/probes/model-path.ts';
import { readWorkerMain } from '../../agent/service/inner.ts';
import { createService, type Service } from '../../agent/service/service.ts';

const request = z.discriminatedUnion('do', [
  z.object({ id: z.int(), do: z.literal('state') }),
  z.object({ id: z.int(), do: z.literal('root') }),
  z.object({ id: z.int(), do: z.literal('reload') }),
  z.object({ id: z.int(), do: z.literal('checkStart') }),
  z.object({
    id: z.int(),
    do: z.literal('follow'),
    auto: z.boolean(),
    hook: z.boolean().default(true),
    port: z.int().exactOptional(),
  }),
  z.object({ id: z.int(), do: z.literal('unfollow') }),
  z.object({ id: z.int(), do: z.literal('changed'), paths: z.array(z.string()), origin: z.enum(['sync', 'disk']) }),
  z.object({ id: z.int(), do: z.literal('context') }),
  z.object({ id: z.int(), do: z.literal('target') }),
  z.object({ id: z.int(), do: z.literal('prepareCommit') }),
  z.object({ id: z.int(), do: z.literal('commitDone') }),
  z.object({ id: z.int(), do: z.literal('probe'), model: z.string().optional(), version: z.int().optional() }),
  z.object({ id: z.int(), do: z.literal('env') }),
  z.object({ id: z.int(), do: z.literal('imports') }),
  z.object({ id: z.int(), do: z.literal('health') }),
  z.object({ id: z.int(), do: z.literal('detach') }),
]);

const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);
const client = Symbol('driver');
const kitDir = dirname(process.argv[1] ?? '');

function answer(service: Service, asked: z.infer<typeof request>): unknown {
  switch (asked.do) {
    case 'state':
      return service.state();
    case 'root':
      return service.root();
    case 'reload':
      return service.reload();
    case 'checkStart':
      return service.checkStart();
    case 'follow': {
      const { id: _id, do: _do, ...options } = asked;
      return service.follow(client, options);
    }
    case 'unfollow':
      return service.follow(client, null);
    case 'changed':
      service.changed(asked.paths, asked.origin);
      return null;
    case 'context':
      return service.access.workerContext();
    case 'target':
      return service.access.target();
    case 'prepareCommit':
      return service.prepareCommit();
    case 'commitDone':
      return service.commitDone();
    case 'probe':
      return service.access.workerContext().then((context) => probeModelPath(kitDir, context, asked));
    case 'env':
      return service.access.workerContext().then((context) => probeEnv(kitDir, context, null));
    case 'imports':
      return service.access.workerContext().then((context) => probeImports(kitDir, context));
    case 'health':
      return service.access.target().then(probeHealth);
    case 'detach':
      return service.detach();
  }
}

async function main(): Promise<void> {
  const [verb, ...rest] = process.argv.slice(2);
  if (verb === 'read-worker') return readWorkerMain(rest);
  const bundle = process.argv[1] ?? '';
  const service = await createService({
    kitDir,
    build: '', // there is no VERSION in this kit
    self: [process.execPath, bundle],
    log: (text) => process.stderr.write(`${text}\n`),
  });
  service.onChange((state) => say({ state }));
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      const asked = request.parse(JSON.parse(line));
      void Promise.resolve(answer(service, asked)).then((value) => say({ id: asked.id, value: value ?? null }));
    })
    .on('close', () => void service.detach().then(() => process.exit(0)));
  say({ ready: true });
}

void main();
