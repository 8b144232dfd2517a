/** Keeps runit's `finish` held for as long as somebody is attached, and puts it back. */
import { hold, holderOf, release, type HoldState } from './hold.ts';
import { restoreRun } from './last-good.ts';

export interface FinishWanted {
  /** runit's of the service; null where it is run by something else. */
  readonly folder: string | null;
  readonly isPid1: boolean;
  readonly attached: boolean;
  readonly committing: boolean;
  readonly detached: boolean;
}

export class FinishKeeper {
  readonly #log: (text: string) => void;
  #state: HoldState = { held: false, reason: 'nobody is attached' };
  /** Whether the container was made to be held for its life; known once its service is. */
  #launched: boolean | undefined;
  #queue: Promise<void> = Promise.resolve();

  constructor(log: (text: string) => void) {
    this.#log = log;
  }

  get state(): HoldState {
    return this.#state;
  }

  /** Makes the hold what it should be by then; one after the other. */
  keep(wanted: () => FinishWanted): Promise<void> {
    this.#queue = this.#queue.then(() => this.#keep(wanted));
    return this.#queue;
  }

  async #keep(wanted: () => FinishWanted): Promise<void> {
    const { folder, isPid1 } = wanted();
    if (folder === null) {
      const reason = isPid1
        ? 'the service is PID 1: when it ends the container ends'
        : 'the service is not run by runit';
      this.#state = { held: false, reason };
      return;
    }
    this.#launched ??= await this.#findHeld(folder);
    const { attached, committing, detached } = wanted();
    const holds = (attached || this.#launched) && !committing && !detached;
    if (holds && !this.#state.held) {
      this.#state = await hold(folder, this.#launched ? 1 : process.pid);
    } else if (!holds && this.#state.held) {
      await release(folder).catch((error: unknown) => this.#log(`finish could not be put back: ${String(error)}`));
      this.#state = { held: false, reason: committing ? 'a commit is under way' : 'nobody is attached' };
    }
  }

  /** Whether the container was made to be held for its life. What an agent that was killed left is put back. */
  async #findHeld(folder: string): Promise<boolean> {
    const holder = await holderOf(folder);
    if (holder === null) await release(folder).catch(() => undefined);
    await restoreRun(folder);
    return holder === 1;
  }
}
