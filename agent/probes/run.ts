/** The explained checks that the agent makes, by name. */
import type { Params } from '../../shared/core/protocol.ts';
import type { ProbeReport, StartCheck } from '../../shared/core/service.ts';
import { send } from '../../shared/link/http.ts';
import type { Requests } from '../requests/requests.ts';
import type { Answered } from '../service/boot.ts';
import { readProcess, type Self } from '../service/read-worker.ts';
import type { ServiceTarget } from '../service/access.ts';
import type { ShellContext } from '../service/worker.ts';
import type { Service } from '../service/service.ts';
import type { ColdStart } from '../service/start-check.ts';
import { step, timed } from './ask.ts';
import { explainCall, liveAnswer, outgoing, type Call, type CallAnswer } from './call.ts';
import { probeEntry } from './entry.ts';
import { probeEnv } from './env.ts';
import { withSources } from './failure.ts';
import { probeHealth } from './health.ts';
import { probeImports } from './imports.ts';
import { explainInit } from './init.ts';
import { chooseInput, type Input, type InputSources } from './input.ts';
import { probeModel } from './model.ts';
import { probeModelPath } from './model-path.ts';
import { probePackages } from './packages.ts';

export interface ProbeOptions {
  readonly kitDir: string;
  readonly self: Self;
  readonly service: Pick<Service, 'access' | 'coldStart'>;
  readonly requests: Pick<Requests, 'send'>;
}

type Question = Params<'probe.run'>;

/** One boot of the code, and what it was asked. */
interface Boot {
  readonly start: ColdStart;
  readonly input: Input | null;
  readonly answered: Answered | null;
}

/** The first of a batch to ask makes the boot. */
interface Batch {
  readonly id: string;
  readonly boot: Promise<Boot>;
  /** The Python probes of a batch run one after the other beside the boot: two cores are what there mostly is. */
  lane: Promise<unknown>;
}

const DESCRIBED_MS = 5_000;
const ANSWER_MS = 60_000;
/** Bytes of a description that are read. */
const MAX_DESCRIPTION = 512 * 1024;

export class Probes {
  readonly #options: ProbeOptions;
  #batch: Batch | null = null;

  constructor(options: ProbeOptions) {
    this.#options = options;
  }

  async run(question: Question): Promise<ProbeReport> {
    const batch = this.#batchOf(question);
    const context = await this.#options.service.access.workerContext();
    const report = await this.#report(question, context, batch);
    return withSources(report, context.cwd, context.worker?.entryScript ?? null);
  }

  /** The boot of the batch as a check of a fresh start. */
  async checkStart(batch: string): Promise<StartCheck> {
    const { start } = await (this.#batchOf({ batch })?.boot ?? this.#boot({}));
    return start.check;
  }

  async #report(question: Question, context: ShellContext, batch: Batch | null): Promise<ProbeReport> {
    const { kitDir, self, service } = this.#options;
    switch (question.name) {
      case 'env':
        return inLane(batch, async () => probeEnv(kitDir, context, (await readProcess(1, self))?.environ ?? null));
      case 'entry':
        return inLane(batch, () => probeEntry(kitDir, context, question.engine));
      case 'health':
        return inLane(batch, async () => probeHealth(await service.access.target()));
      case 'imports': {
        const imported = batch?.boot.then(({ start }) => start.outcome?.modules ?? []);
        // Not in the lane: it waits for the boot.
        const modules = probeImports(kitDir, context, imported);
        const packages = inLane(batch, () => probePackages(kitDir, context));
        return joined('imports', await Promise.all([modules, packages]));
      }
      case 'model':
        return inLane(batch, () => probeModel(kitDir, context));
      case 'model-path':
        return inLane(batch, () => probeModelPath(kitDir, context, question));
      case 'init':
        return timed('init', async () => {
          const { start } = await (batch?.boot ?? this.#boot(question));
          const { worker, cwd } = context;
          return worker === null ? [NO_SERVICE] : explainInit(start, worker, cwd);
        });
      case 'run':
        return timed('run', async () =>
          this.#explainRun(await (batch?.boot ?? this.#boot(question)), question, context),
        );
    }
  }

  #batchOf({ batch: id, ...wish }: Partial<Question>): Batch | null {
    if (id === undefined) return null;
    if (this.#batch?.id !== id) this.#batch = { id, boot: this.#boot(wish), lane: Promise.resolve() };
    return this.#batch;
  }

  async #boot({ profile = false, data }: Partial<Question>): Promise<Boot> {
    const { service } = this.#options;
    const target = await service.access.target();
    const asked: { input: Input | null; answered: Answered | null } = { input: null, answered: null };
    const start = await service.coldStart({
      profile,
      modules: true,
      talk: async (code, ask) => {
        if (code.asks === false) return;
        const describe: InputSources['describe'] = async (path, query) => {
          if (code.asks === 'run') return null;
          const answer = await ask({ method: 'GET', path, query, headers: {}, body: '' }, { keeps: MAX_DESCRIPTION });
          return answer?.status.startsWith('200') === true ? parsed(Buffer.from(answer.answer, 'base64')) : null;
        };
        asked.input = await chooseInput({ ...given(target, data), describe, example: code.run?.example ?? null });
        if (asked.input !== null) asked.answered = await ask(asked.input.request);
      },
    });
    return { start, ...asked };
  }

  async #explainRun({ start, input, answered }: Boot, { data }: Question, { worker, cwd }: ShellContext) {
    if (worker === null) return [NO_SERVICE];
    const { service } = this.#options;
    const { outcome } = start;
    const { error } = outcome ?? {};
    if (error !== undefined && input === null) {
      const detail = `not asked: the code fails before, with ${error.type}: ${error.message}`;
      return [step('run()', false, detail, 'drydock probe init tells where and why')];
    }
    const code = outcome?.code ?? null;
    const run = code?.run ?? null;
    const call: Call =
      code === null || code.asks === false
        ? { run, ...(await this.#askLive(data, run?.example ?? null)) }
        : { run, input, answer: answered && freshAnswer(answered, service) };
    return explainCall(call, worker, cwd);
  }

  /** What can't be asked in a fresh process is asked where it serves. */
  async #askLive(data: Question['data'], example: string | null): Promise<Pick<Call, 'input' | 'answer'>> {
    const { service, requests } = this.#options;
    const target = await service.access.target();
    const { asked } = target;
    if (asked === null) return { input: null, answer: null };
    const describe: InputSources['describe'] = async (path, query) => {
      const wanted = query === '' ? path : `${path}?${query}`;
      const sent = { method: 'GET', path: wanted, timeoutMs: DESCRIBED_MS, keeps: MAX_DESCRIPTION };
      const answer = await send(asked.listener, sent);
      return 'trouble' in answer || answer.status !== 200 ? null : parsed(answer.body);
    };
    const input = await chooseInput({ ...given(target, data), describe, example });
    if (input === null) return { input, answer: null };
    return { input, answer: liveAnswer(await requests.send(outgoing(input.request), ANSWER_MS, 'score')) };
  }
}

const NO_SERVICE = step(
  'fresh process',
  false,
  'no scoring service runs',
  'start the service, or attach while it tries to start: the probe needs its Python, folder and environment',
);

const given = ({ request, isSample, scorePath }: ServiceTarget, data: Question['data']) => ({
  scorePath,
  data,
  sample: isSample ? request : null,
  last: isSample ? null : request,
});

function freshAnswer({ status, answer, ms, failure: raised }: Answered, service: Pick<Service, 'access'>): CallAnswer {
  const failure = raised && service.access.explained(raised);
  return {
    by: 'fresh',
    status: Number(status.slice(0, 3)) || 0,
    ms,
    body: Buffer.from(answer, 'base64').toString('utf8'),
    failure,
  };
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
}

function inLane(batch: Batch | null, probe: () => Promise<ProbeReport>): Promise<ProbeReport> {
  if (batch === null) return probe();
  const report = batch.lane.then(probe);
  batch.lane = report.catch(() => undefined);
  return report;
}

function joined(probe: string, reports: readonly ProbeReport[]): ProbeReport {
  return {
    probe,
    ok: reports.every(({ ok }) => ok),
    steps: reports.flatMap(({ steps }) => steps),
    ms: Math.max(...reports.map(({ ms }) => ms)),
  };
}
