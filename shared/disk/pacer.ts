/** Cuts long work on the event loop into slices, so that hints, frames and keys pass between. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Pacer {
  /** True when the slice is used up; then `rest` is due. */
  due(): boolean;
  /** Rejects when the work was called off. */
  rest(): Promise<void>;
}

/** Milliseconds that a scan works before it lets others pass. */
const SLICE = 4;

export function briskPacer(): Pacer {
  return pacer(SLICE, () => new Promise((resolve) => setImmediate(resolve)));
}

/** Milliseconds: a process that stood still did not work. */
const MAX_REST = 5_000;

/** Works `slice` milliseconds, or what the next step took, then rests so many times as long; does not keep the process alive. */
export function slowPacer(slice: number, times: number, signal: AbortSignal): Pacer {
  return pacer(slice, (worked) => sleep(Math.min(worked * times, MAX_REST), undefined, { signal, ref: false }));
}

function pacer(slice: number, pause: (worked: number) => Promise<void>): Pacer {
  let since = performance.now();
  return {
    due: () => performance.now() - since >= slice,
    rest: async () => {
      await pause(performance.now() - since);
      since = performance.now();
    },
  };
}
