/** Long steps as lines on stderr: what runs, for how long, how it ended. On a terminal the running ones are repainted. */

const REPAINT_MS = 250;

/** @typedef {{ run<T>(title: string, work: (note: (text: string) => void) => Promise<T>): Promise<T>; note(text: string): void }} Progress */

/**
 * Several steps may run beside each other; each has one line.
 * @param {NodeJS.WriteStream} out
 * @returns {Progress}
 */
export function createProgress(out) {
  const live = out.isTTY && process.env['TERM'] !== 'dumb';
  /** @type {Set<{ title: string, started: number, detail: string }>} */
  const running = new Set();
  let painted = 0;
  /** @type {NodeJS.Timeout | undefined} */
  let timer;

  const wipe = () => {
    if (painted > 0) out.write(`\x1b[${painted}A\x1b[J`);
    painted = 0;
  };
  const paint = () => {
    wipe();
    for (const { title, started, detail } of running) {
      const line = `  … ${title} ${seconds(started)}${detail === '' ? '' : `  ${detail}`}`;
      out.write(`${line.slice(0, Math.max(20, out.columns - 1))}\n`);
      painted++;
    }
  };
  /** @param {string} line */
  const print = (line) => {
    if (live) wipe();
    out.write(`${line}\n`);
    if (live) paint();
  };

  return {
    note: print,
    async run(title, work) {
      const step = { title, started: performance.now(), detail: '' };
      running.add(step);
      if (live) timer ??= setInterval(paint, REPAINT_MS);
      else print(`  … ${title}`);
      let mark = '✗';
      try {
        const result = await work((text) => void (step.detail = lastLine(text)));
        mark = '✓';
        return result;
      } finally {
        running.delete(step);
        if (running.size === 0) {
          clearInterval(timer);
          timer = undefined;
        }
        print(`  ${mark} ${title} ${seconds(step.started)}`);
      }
    },
  };
}

/** @param {number} started */
function seconds(started) {
  return `${((performance.now() - started) / 1000).toFixed(1)} s`;
}

/** Without control characters, and one line only: details come from other programs.
 * @param {string} text */
function lastLine(text) {
  return (
    text
      .trim()
      .split(/[\r\n]+/)
      .at(-1) ?? ''
  ).replace(/\p{Cc}/gu, '');
}
