/** Loading new code by a restart of the container, where the service can do it in no other way: its process is PID 1. */
import { setTimeout as sleep } from 'node:timers/promises';
import { DrydockError } from '../../shared/core/errors.ts';
import type { ServiceState } from '../../shared/core/service.ts';
import type { Target } from '../place/place.ts';
import type { Link } from './link.ts';
import type { Question } from './view.ts';

/** Given to the service to end in order; as `docker restart` does. */
const STOP_S = 10;
/** Between two looks at a service that starts. */
const LOOK_MS = 100;

export async function restartContainer(target: Target): Promise<void> {
  if (target.lifecycle === undefined) {
    throw new DrydockError('usage', 'This container can’t be started again from here.', {
      hint: 'Start it again by what made it.',
    });
  }
  await target.lifecycle.restart(STOP_S);
}

/** Resolves once the service answers, well or not. Rejects when the link is lost: the container ended. */
export async function untilAnswers({ control }: Pick<Link, 'control'>): Promise<ServiceState['health']> {
  for (;;) {
    const { value } = await control.call('service.state', {});
    if (value.health === 'healthy' || value.health === 'unhealthy') return value.health;
    await sleep(LOOK_MS);
  }
}

/** `ask`: at the first time. */
export type RestartWish = 'ask' | 'always' | 'never';

/** Asked once for as long as a console is attached. */
export class RestartConsent {
  #wish: RestartWish;
  #question: Question | null = null;

  constructor(wish: RestartWish) {
    this.#wish = wish;
  }

  get question(): Question | null {
    return this.#question;
  }

  /** Whether it may be done now. */
  ask(container: string, reason: string): boolean {
    if (this.#wish === 'ask') {
      this.#question ??= {
        id: 'restart',
        text: `The new code is good, and this service loads it only at its start: ${reason}.`,
        details: [],
        choices: [
          { key: 'y', label: `start ${container} again now, and after each good save from now on`, value: 'always' },
          { key: 'n', label: 'leave it; the code lies in the container for its next start', value: 'never' },
        ],
      };
    }
    return this.#wish === 'always';
  }

  /** Whether it may be done now. */
  answer(value: string): boolean {
    this.#question = null;
    this.#wish = value === 'always' ? 'always' : 'never';
    return this.#wish === 'always';
  }
}
