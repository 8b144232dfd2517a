/** How a verb speaks: JSON lines for programs, sentences for people, an exit code for both. */
import type { Writable } from 'node:stream';
import { DrydockError } from '../../shared/core/errors.ts';
import { plain } from '../text/plain.ts';

export class Reporter {
  readonly json: boolean;
  readonly #out: Writable;
  readonly #err: Writable;
  readonly colour: boolean;

  constructor(json: boolean, out: Writable, err: Writable, env: NodeJS.ProcessEnv) {
    this.json = json;
    this.#out = out;
    this.#err = err;
    this.colour = !json && (env['NO_COLOR'] ?? '') === '' && 'isTTY' in out && out.isTTY === true;
  }

  /** A sentence for people: on stderr where stdout is for JSON. */
  say(text: string): void {
    (this.json ? this.#err : this.#out).write(`${plain(text)}\n`);
  }

  /** What is being waited for: never on stdout. */
  step(text: string): void {
    this.#err.write(`${plain(text)}\n`);
  }

  /** The answer: an object a line with --json, else the sentences. */
  answer(value: object, text: string): void {
    if (this.json) this.#out.write(`${JSON.stringify(value)}\n`);
    else if (text !== '') this.#out.write(`${plain(text)}\n`);
  }

  raw(data: Uint8Array | string): boolean {
    return this.#out.write(data);
  }

  /** Runs a verb and turns what it throws into words and an exit code; a bug keeps its stack. */
  async guard(run: () => Promise<number>): Promise<number> {
    try {
      return await run();
    } catch (error) {
      if (error instanceof DrydockError) {
        if (this.json) this.#out.write(`${JSON.stringify({ error: error.toInfo() })}\n`);
        this.#err.write(
          `drydock: ${plain(error.message)}\n${error.hint === undefined ? '' : `  ${plain(error.hint)}\n`}`,
        );
        return error.exitCode;
      }
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#err.write(`drydock: this is a bug in Drydock; please report it with these lines.\n${plain(stack)}\n`);
      return 70;
    }
  }
}
