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

/** Works `slice` milliseconds, then rests for `pause`; does not keep the process alive. */
export function slowPacer(slice: number, pause: number, signal: AbortSignal): Pacer {
  return pacer(slice, () => sleep(pause, undefined, { signal, ref: false }));
}

function pacer(slice: number, pause: () => Promise<void>): Pacer {
  let until = performance.now() + slice;
  return {
    due: () => performance.now() >= until,
    rest: async () => {
      await pause();
      until = performance.now() + slice;
    },
  };
}
