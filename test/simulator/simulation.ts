/**
 * One life of a synchronised folder, decided by a seed: the real session, driver, log and journal between two virtual
 * disks, with users who edit, links that break, disks that fail and machines that lose their power. Then the faults
 * stop, and everything must come right.
 */
import { createSyncSession, type SyncSession } from '../../console/engine/sync/driver.ts';
import { readLines } from '../../console/engine/sync/records.ts';
import { SyncStore, type ContainerIdentity } from '../../console/engine/sync/store.ts';
import type { Clock } from '../../console/engine/sync/clock.ts';
import { BRAKES, type Brakes } from '../../shared/core/sync/guard.ts';
import type { Change } from '../../shared/core/sync/endpoint.ts';
import type { Side } from '../../shared/core/sync/tree.ts';
import { digestOf } from '../support/memory-endpoint.ts';
import { identity } from '../support/sync-pair.ts';
import { StateDisk } from './files.ts';
import { isIgnored, SideDisk, SideEndpoint } from './side.ts';
import { act, isModel, Ledger, write } from './users.ts';
import { Wire } from './wire.ts';
import { Killed, Life, World } from './world.ts';

export interface Wishes {
  /** Keep the trace in words. */
  readonly trace?: boolean;
  /** A world in which a guard is missing. */
  readonly brakes?: Partial<Brakes>;
  /** Sides that do not look at what they replace. */
  readonly blind?: boolean;
}

export interface Report {
  readonly seed: number;
  /** What must never be, in words; empty where all is well. */
  readonly violations: readonly string[];
  readonly digest: string;
  readonly lines: readonly string[];
  /** How often each thing happened. */
  readonly counts: Readonly<Record<string, number>>;
}

/** Virtual milliseconds: how long users and faults are at it, and how long it may take from then to quiet. */
const CHAOS = [300, 5_000] as const;
const SETTLE = 150_000;
const QUIET = 70_000;

export async function simulate(seed: number, wishes: Wishes = {}): Promise<Report> {
  const simulation = new Simulation(seed, wishes);
  await simulation.run();
  return simulation.report();
}

type Item = NonNullable<ReturnType<NonNullable<SideDisk['items']>['get']>>;
type Accident = {
  readonly side: Side;
  readonly before: ReadonlyMap<string, Item>;
  /** What sync did meanwhile could not be logged. */
  unlogged: boolean;
  /** It came while this batch was being put there. */
  readonly amid: readonly Change[];
  end(): void;
};

class Simulation {
  readonly #seed: number;
  readonly #world: World;
  readonly #brakes: Partial<Brakes>;
  readonly #blind: boolean;
  readonly #disks: Readonly<Record<Side, SideDisk>> = { host: new SideDisk(), container: new SideDisk() };
  readonly #state = new StateDisk();
  readonly #ledger = new Ledger();
  readonly #violations: string[] = [];
  readonly #counts: Record<string, number> = {};
  /** How likely each step of the state's disk fails. */
  #stateFaults = 0;
  /** What the clock on the wall shows beyond the world's own time. */
  #clock = 1_700_000_000_000;
  /** What the container's image holds, and how many containers were made of it. */
  readonly #image = new Map<string, Item>();
  #made = 1;
  /** A machine without executable bits. */
  readonly #plainHost: boolean;
  #console: Life;
  #agent: Life;
  #hostEnd: SideEndpoint | null = null;
  #containerEnds: SideEndpoint[] = [];
  #session: SyncSession | null = null;
  #wire: Wire | null = null;
  #connecting = false;
  #accident: Accident | null = null;
  #lastAccident = -Infinity;
  #isCalm = false;
  /** Somebody said that one side's versions are to go: then the journal is where they are. */
  #preferred = false;
  #batches = 0;
  /** The batch that is being put on a side. */
  readonly #coming: Record<Side, readonly Change[]> = { host: [], container: [] };
  readonly #expect = new Map<string, string | null>();
  #asked = false;

  constructor(seed: number, { trace = false, brakes = BRAKES, blind = false }: Wishes) {
    this.#seed = seed;
    this.#world = new World(seed, trace);
    this.#brakes = brakes;
    this.#blind = blind;
    this.#plainHost = this.#world.chance(0.1);
    this.#console = new Life(this.#world, 'console 0');
    this.#agent = new Life(this.#world, 'agent 0');
    this.#state.fault = (what) => {
      if (!this.#world.chance(this.#stateFaults)) return;
      if (this.#accident !== null) this.#accident.unlogged = true;
      throw new Error(`${what === 'write' ? 'ENOSPC' : 'EIO'}: the state`);
    };
  }

  report(): Report {
    const { lines } = this.#world;
    return {
      seed: this.#seed,
      violations: this.#violations,
      digest: this.#world.digest(),
      lines,
      counts: this.#counts,
    };
  }

  async run(): Promise<void> {
    const world = this.#world;
    const end = world.int(...CHAOS);
    this.#furnish();
    void this.#startConsole();
    this.#users(end);
    if (world.chance(0.85)) this.#plague(end);
    await world.run(end);
    await this.#calm();
    this.#check();
  }

  // What is there at first ----------------------------------------------------------------------------------------------

  #furnish(): void {
    const world = this.#world;
    const both = world.int(0, 6);
    for (let n = 0; n < both; n++) {
      const path = world.pick(['a', 'b', 'c.py', 'd/a', 'd/b', 'd/e/a', 'azureml-models/m/a']);
      if (this.#disks.host.items?.has(path) === true) continue;
      write(world, this.#ledger, this.#disks.host, path);
      if (world.chance(0.8)) this.#disks.container.write(path, this.#disks.host.text(path) ?? '');
    }
    if (world.chance(0.3)) for (let n = world.int(1, 3); n > 0; n--) act(world, this.#ledger, this.#disks.container);
    for (const [path, item] of this.#disks.container.items ?? []) this.#image.set(path, item);
  }

  #users(end: number): void {
    const world = this.#world;
    for (const side of ['host', 'container'] as const) {
      const pace = world.pick([30, 150, 600]);
      const next = (): void => {
        world.after(pace * -Math.log(1 - world.random()), '', () => {
          if (world.now > end) return;
          if (this.#accident?.side !== side) world.note(`${side}: ${act(world, this.#ledger, this.#disks[side])}`);
          next();
        });
      };
      next();
    }
  }

  // Faults --------------------------------------------------------------------------------------------------------------

  #plague(end: number): void {
    const world = this.#world;
    const pace = world.pick([200, 700, 2_500]);
    const faults = FAULTS.filter(() => world.chance(0.6));
    const next = (): void => {
      world.after(pace * -Math.log(1 - world.random()), '', () => {
        if (world.now > end || faults.length === 0) return;
        const fault = world.pick(faults);
        world.note(`fault: ${fault}`);
        this.#count(fault);
        this.#strike(fault, end);
        next();
      });
    };
    next();
  }

  #strike(fault: Fault, end: number): void {
    const world = this.#world;
    const forAWhile = (stop: () => void) => world.after(Math.min(world.int(10, 2_000), end - world.now), '', stop);
    switch (fault) {
      case 'cut':
        this.#cut();
        break;
      case 'kill console':
        if (world.chance(0.5)) this.#killConsole();
        else this.#console.dieAfter(world.int(1, 40), () => this.#killConsole());
        break;
      case 'close console':
        void this.#closeConsole();
        break;
      case 'kill agent':
        if (world.chance(0.5)) this.#killAgent();
        else this.#agent.dieAfter(world.int(1, 20), () => this.#killAgent());
        break;
      case 'host loses power':
        this.#state.powerCut(world);
        this.#disks.host.powerCut(world);
        this.#killConsole();
        break;
      case 'container loses power':
        this.#disks.container.powerCut(world);
        this.#killAgent();
        break;
      case 'state fails':
        this.#stateFaults = world.pick([0.05, 0.5, 1]);
        forAWhile(() => (this.#stateFaults = 0));
        break;
      case 'side fails': {
        const { faults } = this.#disks[world.pick(['host', 'container'] as const)];
        faults.apply = world.pick([0.2, 1]);
        faults.scan = world.pick([0, 0.5]);
        forAWhile(() => Object.assign(faults, { apply: 0, scan: 0 }));
        break;
      }
      case 'hints lost': {
        const side = world.pick(['host', 'container'] as const);
        const { faults } = this.#disks[side];
        faults.deaf = true;
        forAWhile(() => {
          faults.deaf = false;
          if (world.chance(0.5)) this.#ends(side).forEach((each) => each.loseHints());
        });
        break;
      }
      case 'container is made anew':
        this.#makeAnew();
        break;
      case 'clock jumps':
        this.#clock += world.pick([50, 5_000, 3_600_000]);
        break;
      case 'look again':
        this.#session?.settleOnce().catch(() => undefined);
        break;
      case 'folder goes':
      case 'folder is emptied':
        this.#befall(world.pick(['host', 'container']), fault === 'folder goes', end);
        break;
    }
  }

  #ends(side: Side): SideEndpoint[] {
    return side === 'container' ? this.#containerEnds : this.#hostEnd === null ? [] : [this.#hostEnd];
  }

  /** A mount that goes and comes back: nobody's wish, so nothing of it may be carried over. */
  #befall(side: Side, whole: boolean, end: number): void {
    const disk = this.#disks[side];
    const { items } = disk;
    // An own question is asked about two or more.
    if (this.#accident !== null || items === null || items.size < 2) return;
    const before = new Map(items);
    if (whole) disk.items = null;
    else items.clear();
    disk.changed();
    const accident: Accident = {
      side,
      before,
      unlogged: false,
      amid: this.#coming[side],
      end: () => {
        if (this.#accident !== accident) return;
        this.#accident = null;
        this.#lastAccident = this.#world.now;
        this.#world.note(`${side}: the folder is back`);
        const since = disk.items ?? new Map<string, never>();
        disk.mount(before);
        // What came meanwhile is put into it by the same hand.
        for (const [path, item] of since) {
          if (item.kind !== 'dir' || before.get(path)?.kind !== 'dir') {
            this.#ledger.goes(disk, path);
            this.#ledger.givesWay(disk, path);
            disk.put(path, item);
          }
        }
        disk.changed();
      },
    };
    this.#accident = accident;
    this.#world.after(Math.min(this.#world.int(10, 4_000), end - this.#world.now), '', () => accident.end());
  }

  // Processes -----------------------------------------------------------------------------------------------------------

  async #startConsole(): Promise<void> {
    const world = this.#world;
    const life = new Life(world, `console at ${world.now}`);
    this.#console = life;
    // A clock on the wall may have been set meanwhile.
    if (world.chance(0.2)) this.#clock += world.int(-86_400_000, 86_400_000);
    const clock: Clock = {
      now: () => this.#clock + world.now,
      after: (ms, run) => life.after(ms, 'timer', run),
    };
    try {
      const store = await SyncStore.open('/state', '/host', clock.now(), this.#state.filesOf(life));
      const host = new SideEndpoint(life, this.#disks.host, {
        info: { execBit: !this.#plainHost },
        blind: this.#blind,
      });
      this.#hostEnd = host;
      const session = createSyncSession({
        host: this.#counted('host', host),
        container: null,
        store,
        policy: 'ask',
        clock,
        brakes: this.#brakes,
        onEvent: (event) => {
          world.note(`says ${JSON.stringify(event)}`);
          this.#count(event.event);
        },
        onChange: () => this.#lookForQuestion(),
      });
      await session.start();
      this.#session = session;
      this.#connect();
    } catch (error) {
      if (error instanceof Killed || !life.alive) return;
      world.note(`the console does not start: ${String(error)}`);
      if (this.#isCalm) this.#violate(`the console does not start: ${String(error)}`);
      life.end();
      this.#afterConsole();
    }
  }

  #counted(side: Side, end: SideEndpoint): SideEndpoint {
    const apply = end.apply.bind(end);
    end.apply = (batch, content) => {
      this.#batches++;
      this.#checkAccident(side, batch);
      this.#world.note(`batch: ${batch.map(({ path, after }) => `${path} ${after?.kind ?? 'goes'}`).join(', ')}`);
      this.#coming[side] = batch;
      return apply(batch, content).finally(() => {
        if (this.#coming[side] === batch) this.#coming[side] = [];
      });
    };
    return end;
  }

  /** S7: what only went by accident does not go on the other side; one file alone is no accident to anybody. */
  #checkAccident(side: Side, batch: readonly Change[]): void {
    const accident = this.#accident;
    if (accident === null || accident.side === side) return;
    const { items } = this.#disks[accident.side];
    // Where sync has put something there that the log does not tell, a console that began anew takes it for the user's.
    if (accident.unlogged && items !== null && items.size > 0) return;
    // Of one batch that was cut in two nobody knows what had been there before.
    if (accident.amid.some(({ path, before }) => before === null && items?.has(path))) return;
    const went = batch.filter(({ path, before, after }) => {
      const item = accident.before.get(path);
      if (after !== null || before?.kind !== 'file' || item?.kind !== 'file') return false;
      return digestOf(item.data) === before.digest;
    });
    if (went.length > 1) this.#violate(`S7: an accident is carried over: ${went.map(({ path }) => path).join(', ')}`);
  }

  #killConsole(): void {
    this.#console.end();
    this.#afterConsole();
  }

  async #closeConsole(): Promise<void> {
    const session = this.#session;
    const life = this.#console;
    if (session === null) return;
    try {
      await session.close();
    } catch (error) {
      if (this.#isCalm && !(error instanceof Killed)) this.#violate(`it does not close: ${String(error)}`);
    }
    if (life !== this.#console || !life.alive) return;
    life.end();
    this.#afterConsole();
  }

  #afterConsole(): void {
    this.#disks.host.writtenBack();
    this.#session = null;
    void this.#hostEnd?.close();
    this.#hostEnd = null;
    this.#loseLink();
    const dead = this.#console;
    this.#world.after(this.#world.int(1, 2_000), 'a console starts', () => {
      if (this.#console === dead) void this.#startConsole();
    });
    this.#checkBase();
  }

  #killAgent(): void {
    this.#agent.end();
    this.#disks.container.writtenBack();
    for (const each of this.#containerEnds.splice(0)) void each.close();
    this.#cut();
  }

  /** The link breaks; both ends get to know it some time. */
  #cut(): void {
    const wire = this.#wire;
    if (wire === null) return;
    this.#loseLink();
    const life = this.#console;
    this.#console.after(this.#world.latency(5), 'the link is missed', () => {
      if (this.#session !== null && this.#console === life && this.#wire === null) this.#session.detachContainer();
    });
    this.#reconnect();
  }

  #loseLink(): void {
    this.#wire?.cut();
    this.#wire = null;
    for (const each of this.#containerEnds.splice(0)) {
      // The agent ends what it has begun.
      this.#agent.after(this.#world.latency(20), '', () => void each.close());
    }
  }

  #reconnect(): void {
    this.#world.after(this.#world.int(1, 1_500), 'reconnect', () => this.#connect());
  }

  #connect(): void {
    const session = this.#session;
    if (session === null || this.#wire !== null || this.#connecting) return;
    if (!this.#agent.alive) this.#agent = new Life(this.#world, `agent at ${this.#world.now}`);
    const end = new SideEndpoint(this.#agent, this.#disks.container, { blind: this.#blind });
    this.#containerEnds.push(end);
    const wire = new Wire(this.#console, this.#agent, this.#counted('container', end));
    this.#wire = wire;
    session.attachContainer(wire, this.#identity()).catch((error: unknown) => {
      if (wire.isCut || error instanceof Killed || session !== this.#session) return;
      this.#world.note(`the container is not attached: ${String(error)}`);
      if (this.#isCalm) this.#violate(`the container is not attached: ${String(error)}`);
      this.#cut();
    });
  }

  #identity(): ContainerIdentity {
    const image = describe(this.#image);
    const pristine = () => {
      const now = describe(this.#disks.container.items);
      return Promise.resolve(now.size === image.size && [...now].every(([path, text]) => image.get(path) === text));
    };
    return identity({ container: `c${this.#made}`, pristine });
  }

  /** A container of the same name, made of the image: what the old one alone held is gone by its owner's hand. */
  #makeAnew(): void {
    const { host, container } = this.#disks;
    if (this.#accident !== null) return;
    const onHost = new Set(host.list().map((path) => host.text(path)));
    // What its owner moved to an ignored name goes with it: the host's may be about to follow that move.
    const shared = new Set(container.list().flatMap((path) => (isIgnored(path) ? [] : [container.text(path)])));
    for (const path of container.list()) {
      const text = container.text(path);
      if (text !== null && !(onHost.has(text) && shared.has(text))) this.#ledger.goes(container, path);
    }
    this.#killAgent();
    this.#made++;
    container.mount(new Map(this.#image));
    container.scrap();
  }

  /** Somebody sits at the terminal, and is slow. */
  #lookForQuestion(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#world.after(this.#world.int(50, 1_500), '', () => {
      this.#asked = false;
      const session = this.#session;
      const question = session?.view().question;
      if (session === null || question === undefined) return;
      const value = this.#answer(question.id);
      if (value === null) {
        this.#lookForQuestion();
        return;
      }
      this.#world.note(`answer: ${value} to ${question.id}`);
      this.#count(`answer ${value}`);
      session.answer(question.id, value);
    });
  }

  #answer(question: string): string | null {
    const world = this.#world;
    if (question.startsWith('attach')) {
      // With a folder that is not what it seems nobody should choose a side.
      const value = this.#accident !== null || world.chance(0.7) ? 'union' : world.pick(['host', 'container']);
      if (value !== 'union') this.#preferred = true;
      return value;
    }
    if (this.#accident !== null) return null;
    return world.now - this.#lastAccident < 30_000 ? 'restore' : 'go-on';
  }

  // The end -------------------------------------------------------------------------------------------------------------

  async #calm(): Promise<void> {
    const world = this.#world;
    this.#accident?.end();
    this.#isCalm = true;
    this.#stateFaults = 0;
    for (const { faults } of Object.values(this.#disks)) Object.assign(faults, { apply: 0, scan: 0, deaf: false });
    this.#console.dieAfter(Infinity, () => undefined);
    this.#agent.dieAfter(Infinity, () => undefined);
    this.#checkIgnored();
    // What cannot be synchronised may be in the way of what can: it is taken away, where it is not in the root itself.
    for (const disk of Object.values(this.#disks)) {
      for (const path of disk.list()) {
        const isInTheWay = disk.items?.get(path)?.kind === 'socket' || (isIgnored(path) && path.includes('/'));
        if (!isInTheWay) continue;
        this.#ledger.goes(disk, path);
        disk.remove(path);
      }
    }
    world.note('calm');
    // One look at everything has passed, whatever was not hinted at.
    if (!(await this.#settles('L2: after the last fault', 40_000))) return;
    const batches = this.#batches;
    await world.run(world.now + QUIET);
    if (this.#batches !== batches) this.#violate('S11: it is not quiet');
    // Everything is agreed and durable, whatever happens to the machine now.
    const said: string[] = [];
    this.#session?.quiet().then(
      () => said.push('quiet'),
      (error: unknown) => said.push(String(error)),
    );
    await world.run(world.now + 1_000, () => said.length > 0);
    if (said.join() !== 'quiet') this.#violate(`L1: not quiet in a second: ${said.join()}`);
    if (world.chance(0.5)) void this.#closeConsole();
    else this.#strike('host loses power', world.now);
    await world.run(world.now + 1, () => !this.#console.alive);
    const expected = world.chance(0.5) ? null : this.#editMeanwhile();
    if (!(await this.#settles('S9: after a restart', 20_000))) return;
    if (expected === null) {
      if (this.#batches !== batches) this.#violate('S9: a restart finds something to do');
      return;
    }
    const found = describe(this.#disks.host.items);
    for (const path of new Set([...found.keys(), ...expected.keys()])) {
      const [is, was] = [found.get(path)?.replace(/\*$/, ''), expected.get(path)?.replace(/\*$/, '')];
      if (is !== was)
        this.#violate(`S8: the base was not up to date: ${path} is ${is ?? 'gone'}, not ${was ?? 'gone'}`);
    }
  }

  async #settles(when: string, wait: number): Promise<boolean> {
    const world = this.#world;
    const began = world.now;
    await world.run(began + wait);
    await world.run(began + SETTLE, () => this.#isSettled());
    if (this.#isSettled()) return true;
    this.#violate(`${when}: not settled in ${SETTLE / 1_000} s: ${this.#standing()}`);
    return false;
  }

  /** Edits of one side each while no console runs: a base that lags or leads takes some of them for something else. */
  #editMeanwhile(): Map<string, string> {
    const world = this.#world;
    const files = this.#disks.host.list().filter((path) => {
      return this.#disks.host.items?.get(path)?.kind === 'file' && !isIgnored(path);
    });
    for (const path of files.slice(0, files.length - 1)) {
      const disk = this.#disks[world.pick(['host', 'container'] as const)];
      const past = [...disk.past].filter(([key]) => key.startsWith(`${path}\0`));
      this.#ledger.goes(disk, path);
      if (world.chance(0.2)) disk.remove(path);
      // As it was once: no history may take it for what it was then.
      else if (past.length > 0 && world.chance(0.6)) disk.write(path, world.pick(past)[1]);
      else write(world, this.#ledger, disk, path);
      for (const each of this.#ends(disk === this.#disks.host ? 'host' : 'container')) each.lookAgain();
      world.note(
        `meanwhile ${disk === this.#disks.host ? 'host' : 'container'}: ${path}: ${disk.text(path) ?? 'goes'}`,
      );
      this.#expect.set(path, disk.text(path));
    }
    const expected = describe(this.#disks.host.items);
    for (const [path, text] of this.#expect) {
      if (text === null) expected.delete(path);
      else expected.set(path, text);
    }
    return expected;
  }

  #isSettled(): boolean {
    return this.#session?.view().phase === 'ready' && this.#wire !== null && this.#difference() === null;
  }

  #standing(): string {
    const view = this.#session?.view();
    const { phase, problems, halted, question } = view ?? {};
    return JSON.stringify({ phase, problems, halted, question, difference: this.#difference() });
  }

  #difference(): string | null {
    const [host, container] = [describe(this.#disks.host.items), describe(this.#disks.container.items)];
    const plain = (text: string | undefined) => (this.#plainHost ? text?.replace(/\*$/, '') : text);
    for (const path of new Set([...host.keys(), ...container.keys()])) {
      if (isIgnored(path)) continue;
      if (plain(host.get(path)) !== plain(container.get(path))) {
        return `${path}: ${host.get(path) ?? 'nothing'} | ${container.get(path) ?? 'nothing'}`;
      }
    }
    return null;
  }

  #check(): void {
    this.#checkBase();
    const difference = this.#difference();
    if (difference !== null) this.#violate(`L1: the sides differ: ${difference}`);
    const there = new Set<string>();
    for (const disk of Object.values(this.#disks)) {
      for (const path of disk.list()) {
        const text = disk.text(path);
        if (text !== null) there.add(text);
      }
    }
    this.#checkIgnored();
    const journal = this.#state.contents('/blobs/');
    for (const [token, path] of this.#ledger.owed) {
      if (there.has(token)) continue;
      if (journal.has(token) && (isModel(path) || this.#preferred)) continue;
      this.#violate(`S1: ${token} of ${path} is lost${journal.has(token) ? ' but for the journal' : ''}`);
    }
    // Whatever its owner thinks of it, and whether its answer was heard or not.
    for (const [side, { taken, quarantine }] of Object.entries(this.#disks)) {
      for (const [token, path] of taken) {
        if (!journal.has(token))
          this.#violate(`${token}, which sync took from ${path}, is not in the journal: ${side}`);
      }
      if (quarantine.size > 0) this.#violate(`something of ours is left: ${side}`);
    }
  }

  /** S10: what is ignored stays where it is, and goes nowhere. */
  #checkIgnored(): void {
    for (const [token, disk] of this.#ledger.private) {
      if (!this.#ledger.owed.has(token)) continue;
      for (const [side, each] of Object.entries(this.#disks)) {
        const has = each.list().some((path) => each.text(path) === token);
        if (has !== (each === disk)) this.#violate(`S10: ${token} is ${has ? 'there' : 'gone'}: ${side}`);
      }
    }
  }

  /** S8: nothing is in the base that either disk never durably held. */
  #checkBase(): void {
    for (const data of this.#state.files('/base.log')) {
      for (const value of readLines(data).values) {
        if (typeof value !== 'object' || value === null || !('b' in value) || !Array.isArray(value.b)) continue;
        for (const [path, packed] of value.b as [string, unknown][]) {
          if (!Array.isArray(packed) || packed.length !== 3) continue;
          const key = `${path}\0${String(packed[0])}`;
          for (const side of ['host', 'container'] as const) {
            if (!this.#disks[side].past.has(key)) this.#violate(`S8: the base leads the ${side}’s ${path}`);
          }
        }
      }
    }
  }

  #violate(text: string): void {
    if (this.#violations.includes(text)) return;
    this.#violations.push(text);
    this.#world.note(`VIOLATION ${text}`);
  }

  #count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
  }
}

/** What befalls the two sides and what is between them. */
export const FAULTS = [
  'cut',
  'kill console',
  'close console',
  'kill agent',
  'host loses power',
  'container loses power',
  'state fails',
  'side fails',
  'hints lost',
  'container is made anew',
  'clock jumps',
  'look again',
  'folder goes',
  'folder is emptied',
] as const;
type Fault = (typeof FAULTS)[number];

function describe(items: SideDisk['items']): Map<string, string> {
  const all = new Map<string, string>();
  for (const [path, item] of items ?? []) {
    if (item.kind === 'file') all.set(path, `${Buffer.from(item.data).toString()}${item.exec ? '*' : ''}`);
    else all.set(path, item.kind === 'link' ? `-> ${item.target}` : '/');
  }
  return all;
}
