/** Two users who edit the same few files at the same time, each on a side of his own, in bursts. */
import type { Side } from '../../shared/core/sync/tree.ts';
import type { World } from '../simulator/world.ts';
import { HandGone, type Answer, type Hand, type Order } from './hand.ts';
import type { Ledger } from './ledger.ts';

const NAMES = ['a.txt', 'b.dat', 'c', 'd.csv', 'e.md'];
const FOLDERS = ['play', 'play/d', 'play/d/e', 'play/f', 'play/f/g'];
const COPY = /\.conflict-container-/;

export class Users implements AsyncDisposable {
  readonly hands: Record<Side, Hand>;
  readonly #ledger: Ledger;
  readonly #chance: World;
  #isEditing = false;
  #loops: Promise<unknown> = Promise.resolve();

  constructor(hands: Record<Side, Hand>, ledger: Ledger, chance: World) {
    this.hands = hands;
    this.#ledger = ledger;
    this.#chance = chance;
  }

  /** Until `rest`. */
  start(): void {
    this.#isEditing = true;
    this.#loops = Promise.all([this.#edit('host'), this.#edit('container')]);
  }

  async rest(): Promise<void> {
    this.#isEditing = false;
    await this.#loops;
  }

  /** One write; resolves when it is done. */
  async save(side: Side, path: string, times = 1, how: 'save' | 'write' = 'save'): Promise<void> {
    const { token, digest } = this.#ledger.token(side, path, times);
    if ((await this.#do(side, { do: how, path, token, times })).done) this.#ledger.wrote(digest);
  }

  async remove(side: Side, path: string): Promise<void> {
    await this.#do(side, { do: 'remove', path });
  }

  async look(
    side: Side,
  ): Promise<{ readonly found: NonNullable<Answer['found']>; readonly staging: readonly string[] }> {
    const { found = {}, staging = [] } = await this.hands[side].do({ do: 'look' });
    return { found, staging };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rest();
    await Promise.all(Object.values(this.hands).map((hand) => hand[Symbol.asyncDispose]()));
  }

  async #edit(side: Side): Promise<void> {
    const chance = this.#chance;
    try {
      while (this.#isEditing) {
        await this.#act(side);
        // Mostly at once after each other, and then nothing for a while.
        await pause(chance.int(5, chance.chance(0.9) ? 80 : 600));
      }
    } catch (error) {
      if (!(error instanceof HandGone)) throw error;
    }
  }

  async #act(side: Side): Promise<void> {
    const chance = this.#chance;
    const path = `${chance.pick(FOLDERS)}/${chance.pick(NAMES)}`;
    const roll = chance.int(0, 99);
    if (roll < 55) await this.save(side, path, chance.pick([1, 1, 1, 1, 1, 3, 3, 30, 9_000, 120_000]));
    else if (roll < 70) await this.save(side, path, chance.int(1, 50), 'write');
    else if (roll < 80) await this.remove(side, path);
    else if (roll < 88) await this.#do(side, { do: 'move', path, to: `${chance.pick(FOLDERS)}/${chance.pick(NAMES)}` });
    else if (roll < 90) await this.remove(side, chance.pick(FOLDERS.slice(1)));
    else await this.#tidy(side);
  }

  /** A conflict that is settled. */
  async #tidy(side: Side): Promise<void> {
    const { found } = await this.look(side);
    const copies = Object.keys(found).filter((path) => COPY.test(path));
    if (copies.length > 0) await this.remove(side, this.#chance.pick(copies));
  }

  async #do(side: Side, order: Order): Promise<Answer> {
    const answer = await this.hands[side].do(order);
    this.#ledger.took(answer.gone);
    return answer;
  }
}

const pause = (ms: number) => new Promise((next) => setTimeout(next, ms));
