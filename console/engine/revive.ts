/** A container that has ended, or ends again and again: its last state as a new one that survives its service. */
import { DrydockError } from '../../shared/core/errors.ts';
import { kitVolume, type Kit } from '../kit/kit.ts';
import type { Facts, Place, Target } from '../place/place.ts';
import { crashOf, type Cause } from './crash.ts';
import { lastLines } from './log-reader.ts';
import { imageName, REVIVED_LABEL, revivedLabels } from './revived-labels.ts';
import { freeName, imagesOf, LAUNCH, OWN_LABEL, OWN_LABEL_VALUE } from './run.ts';
import { ownedByNobody, TREE_LABEL } from './snapshot-labels.ts';

export interface Ended {
  readonly name: string;
  readonly id: string;
  readonly cause: Cause;
  readonly exitCode: number | null;
  readonly outOfMemory: boolean;
}

export interface Revived {
  readonly old: Ended;
  readonly id: string;
  readonly name: string;
  readonly target: Target;
  readonly facts: Facts;
}

export interface ReviveOptions {
  readonly kit: Kit;
  readonly onStep: (step: string) => void;
  /** What is known of the end, before the rest is done. */
  readonly onEnded: (ended: Ended) => void;
}

/** How long a service may take to end when its container is stopped. Seconds. */
const STOP_S = 10;
const LOG_LINES = 2_000;
const ANSWER_MS = 5_000;
const TRIES = 50;

/**
 * Null when the container answers: there is nothing to revive. The old container stays, stopped. Rejects with `not-well`
 * for one that runs without answering, with `taken` when its ports are in use.
 */
export async function reviveContainer(place: Place, ref: string, options: ReviveOptions): Promise<Revived | null> {
  const images = imagesOf(place);
  const target = await place.open(ref, { stopped: true });
  const facts = await target.facts();
  if (!canRecreate(target)) throw unable(place);
  if (facts.ended === null && (await answers(facts))) return null;
  if (facts.ended === null && facts.restarts === 0) throw alive(facts.name);
  if (facts.ended === null || facts.restarts > 0) {
    options.onStep(`${facts.name} ends and is started again, ${facts.restarts} times so far: it is stopped first`);
    await target.lifecycle?.stop(STOP_S);
  }
  const old = await endedOf(target, facts);
  options.onEnded(old);
  options.onStep('making a container of its last state');
  // RACE: an image that another revival is just about to use goes as well; that one fails and can be asked for again.
  await images.removeUnused(REVIVED_LABEL);
  const source = await images.inspect(target.id.image);
  const from = revivedLabels({ container: target.id.container, at: Date.now(), image: imageName(facts) });
  const image = await target.commit({
    pause: false,
    message: `drydock: the last state of ${facts.name}`,
    labels: { ...ownedByNobody(source?.labels ?? {}), ...from },
    env: {},
  });
  try {
    const tree = facts.labels[TREE_LABEL];
    const labels = {
      ...ownedByNobody(facts.labels),
      ...(tree === undefined ? {} : { [TREE_LABEL]: tree }),
      ...from,
      [OWN_LABEL]: OWN_LABEL_VALUE,
    };
    const spec = { image, labels, volume: kitVolume(options.kit), entrypoint: LAUNCH };
    const { id, name } = await underFreeName(place, `${facts.name}-revived`, (name) =>
      target.recreate({ ...spec, name }),
    );
    const revived = await place.open(id, { stopped: true });
    return { old, id, name, target: revived, facts: await revived.facts() };
  } catch (error) {
    await images.remove(image).catch(() => undefined); // what led nowhere stays at worst, and goes the next time
    throw error;
  }
}

async function endedOf(target: Target, { name }: Facts): Promise<Ended> {
  const { ended } = await target.facts();
  const log = await lastLines(target, LOG_LINES);
  const exitCode = ended?.code ?? null;
  const outOfMemory = ended?.outOfMemory === true;
  return { name, id: target.id.container, cause: crashOf(log, exitCode), exitCode, outOfMemory };
}

/** On any of its ports: the service's own is not known without its agent. */
async function answers({ ports }: Facts): Promise<boolean> {
  const asked = ports.map(async ({ host, address }) => {
    const at = address === '' || address === '0.0.0.0' ? '127.0.0.1' : address.includes(':') ? '[::1]' : address;
    const answer = await fetch(`http://${at}:${host}/`, { signal: AbortSignal.timeout(ANSWER_MS) });
    await answer.body?.cancel();
    if (answer.status >= 500) throw new Error(`HTTP ${answer.status}`);
  });
  return Promise.any(asked).then(
    () => true,
    () => false,
  );
}

async function underFreeName<T>(place: Place, wanted: string, make: (name: string) => Promise<T>): Promise<T> {
  let name = await freeName(place, wanted);
  for (let tries = 1; ; tries += 1) {
    try {
      return await make(name);
    } catch (error) {
      if (!(error instanceof DrydockError) || error.code !== 'taken' || tries === TRIES) throw error;
      const next = await freeName(place, wanted);
      if (next === name) throw error; // it was a port
      name = next;
    }
  }
}

type Recreatable = Target & Required<Pick<Target, 'commit' | 'recreate'>>;

function canRecreate(target: Target): target is Recreatable {
  return target.commit !== undefined && target.recreate !== undefined;
}

function unable({ label }: Place): DrydockError {
  return new DrydockError('usage', `${label} makes no containers of others' last state.`, {
    hint: 'Choose a Docker engine.',
  });
}

function alive(name: string): DrydockError {
  return new DrydockError('not-well', `${name} runs, and nothing answers on its published ports.`, {
    hint: `Nothing has to be revived: \`drydock attach ${name}\` shows what keeps it from answering.`,
  });
}
