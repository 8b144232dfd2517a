/** The one word of the header that says how the service is. */
import type { View } from '../engine/view.ts';
import type { Tone } from './rows.ts';

export interface Health {
  readonly word: string;
  readonly tone: Tone;
}

export function healthOf(view: View | null): Health {
  if (view === null) return { word: 'starting', tone: 'warn' };
  const { link, service } = view;
  switch (link.phase) {
    case 'connecting':
      return { word: 'connecting', tone: 'warn' };
    case 'waiting':
      return { word: `waiting: ${link.reason}`, tone: 'warn' };
    case 'failed':
      return { word: 'not connected', tone: 'bad' };
    case 'up':
      break;
  }
  if (view.debug !== null && view.debug.stopped !== null) return { word: 'stands in the debugger', tone: 'warn' };
  if (service === null) return { word: 'starting', tone: 'warn' };
  // `held`: the service ended, and only the held finish script keeps the container from ending with it.
  if (service.server === 'none' || service.masterPid === null) {
    return service.hold.held ? { word: 'held', tone: 'bad' } : { word: 'no service', tone: 'bad' };
  }
  // A worker that answers 503 with the failure of its code: alive for the mend.
  if (service.held !== null) return { word: 'held', tone: 'bad' };
  switch (service.health) {
    case 'healthy':
      return { word: 'healthy', tone: 'good' };
    case 'unhealthy':
      return { word: 'failing', tone: 'bad' };
    case 'unreachable':
      return service.workers.length === 0 ? { word: 'starting', tone: 'warn' } : { word: 'not answering', tone: 'bad' };
    case 'unknown':
      return { word: 'starting', tone: 'warn' };
  }
}
