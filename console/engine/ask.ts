/** Sends a request to the service: as any client of this machine does where its port is published here, else by the agent. */
import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { exchangeOf, type Exchange, type Outgoing } from '../../shared/core/requests.ts';
import type { AgentFacts, ServiceState } from '../../shared/core/service.ts';
import { sendMarked, type Address } from '../../shared/link/http.ts';
import { bootId } from '../../shared/link/machine.ts';
import type { Peer } from '../../shared/link/peer.ts';
import type { Facts } from '../place/place.ts';

/** How the service is reached. */
export interface Reach {
  readonly peer: Peer;
  /** Null where only the agent reaches it. */
  readonly published: Address | null;
}

export interface Asking {
  readonly source: 'score' | 'replay';
  readonly timeoutMs: number;
}

export interface Asked {
  readonly exchange: Exchange;
  /** Once the agent keeps it. It may be left alone: a link that is lost meanwhile tells so itself. */
  readonly kept: Promise<unknown>;
}

/** Where this process runs. */
export interface Machine {
  /** Empty where there is none. */
  readonly bootId: string;
  readonly addresses: readonly string[];
}

/** Read anew: a network of the engine's comes and goes. */
const thisMachine = (): Machine => ({
  bootId: bootId(),
  addresses: Object.values(networkInterfaces()).flatMap((known = []) => known.map(({ address }) => address)),
});

interface Reached {
  readonly container: Pick<Facts, 'ports' | 'isHere' | 'gateways'>;
  readonly agent: Pick<AgentFacts, 'bootId'>;
  readonly service: Pick<ServiceState, 'port' | 'loopback'>;
}

/** Null where its port is not published, or not known to be this machine's, or where it listens to its own container alone. */
export function publishedAt({ container, agent, service }: Reached, here: Machine = thisMachine()): Address | null {
  if (service.loopback || !container.isHere || !isOf(here, container.gateways, agent.bootId)) return null;
  const mapping = container.ports.find((published) => published.container === service.port);
  return mapping === undefined ? null : { host: reachable(mapping.address), port: mapping.host };
}

/**
 * A socket alone says nothing: it may be forwarded from elsewhere, or mounted into the container that this console runs in,
 * and the same port is anybody's there. With one kernel, and the engine's end of the container's network among our
 * addresses, the engine publishes where we are. Where we have no such kernel (macOS, Windows) the socket has to do.
 */
const isOf = (here: Machine, gateways: readonly string[], kernel: string): boolean =>
  here.bootId === '' || (kernel === here.bootId && gateways.some((address) => here.addresses.includes(address)));

/** All addresses of a machine include its loopback. */
const reachable = (address: string): string =>
  ['', '0.0.0.0'].includes(address) ? '127.0.0.1' : address === '::' ? '::1' : address;

/** What the code raised is known to the agent alone, and waited for; a good answer is given at once. */
export async function ask({ peer, published }: Reach, request: Outgoing, asking: Asking): Promise<Asked> {
  const sent = published === null ? null : await sendTo(published, request, asking);
  if (sent === null) {
    const { value: exchange } = await peer.call('requests.send', { request, ...asking });
    return { exchange, kept: Promise.resolve() };
  }
  const keeping = peer.call('requests.keep', { exchange: keepable(sent) });
  keeping.catch(() => undefined); // whoever waits for it still hears of it
  if (sent.status < 500) return { exchange: sent, kept: keeping };
  const { failure, fresh } = (await keeping).value;
  return { exchange: { ...sent, failure, fresh }, kept: keeping };
}

/** Characters of base64; a body that is longer is left out of what the agent keeps, of which no more than twice that has room. */
const MAX_KEPT_BODY = 8 * 1024 * 1024;

const keepable = (sent: Exchange): Exchange =>
  sent.body.length <= MAX_KEPT_BODY ? sent : { ...sent, body: '', cut: true };

/** Null where nobody accepts the connection, as where the console runs in another container of the same engine. */
async function sendTo(address: Address, request: Outgoing, { source, timeoutMs }: Asking): Promise<Exchange | null> {
  const id = randomBytes(4).toString('hex');
  const outcome = await sendMarked(address, request, { id, timeoutMs });
  if ('trouble' in outcome && outcome.refused) return null;
  return exchangeOf(request, outcome, { id, at: Date.now(), source });
}
