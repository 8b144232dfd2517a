/** A user's hand on one side (hand.py), on this machine or in a container as the container's own user. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { python } from '../support/python.ts';

const CODE = readFileSync(join(import.meta.dirname, 'hand.py'), 'utf8');

export type Order =
  | { readonly do: 'save' | 'write'; readonly path: string; readonly token: string; readonly times: number }
  | { readonly do: 'move'; readonly path: string; readonly to: string }
  | { readonly do: 'remove'; readonly path: string }
  | { readonly do: 'look' }
  /** So many milliseconds after it is seen. */
  | { readonly do: 'kill'; readonly what: Inside; readonly after: number };

/** What of ours runs in the container: the agent, and a bridge to it in each of the link's two execs. */
export type Inside = 'agent' | 'control' | 'bulk';

const answerSchema = z.object({
  done: z.boolean(),
  /** Digests of what its owner took away by it. */
  gone: z.array(z.string()),
  /** Digest, or `folder`, by path. */
  found: z.record(z.string(), z.string()).optional(),
  /** What lies in the folder where new content is made ready. */
  staging: z.array(z.string()).optional(),
});
export type Answer = z.infer<typeof answerSchema>;

/** The hand was killed with its container: what it was about is done or not. */
export class HandGone extends Error {
  override readonly name = 'HandGone';
}

export class Hand implements AsyncDisposable {
  readonly #child;
  readonly #closed: Promise<unknown>;
  readonly #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void }[] = [];
  #told = '';

  /** Its first answer tells what the last one had taken away without saying so. */
  private constructor(argv: readonly string[], first: (answer: Answer) => void) {
    const [program = '', ...args] = argv;
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stderr.on('data', (data: Buffer) => (this.#told += data.toString()));
    this.#child.stdin.on('error', () => undefined); // its end is told below
    this.#waiting.push({ resolve: first, reject: () => undefined });
    createInterface({ input: this.#child.stdout }).on('line', (line) =>
      this.#waiting.shift()?.resolve(answerSchema.parse(JSON.parse(line))),
    );
    this.#closed = new Promise((resolve) =>
      this.#child.once('close', () => {
        for (const { reject } of this.#waiting.splice(0)) reject(new HandGone(`The hand ended. ${this.#told}`));
        resolve(null);
      }),
    );
  }

  static async onHost(root: string, first: (answer: Answer) => void): Promise<Hand> {
    return new Hand([(await python()).path, '-c', CODE, root], first);
  }

  static inContainer(name: string, root: string, first: (answer: Answer) => void, user?: string): Hand {
    const as = user === undefined ? [] : ['-u', user];
    return new Hand(['docker', 'exec', '-i', ...as, name, 'python3', '-c', CODE, root], first);
  }

  do(order: Order): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null) return reject(new HandGone(`The hand has ended. ${this.#told}`));
      this.#waiting.push({ resolve, reject });
      this.#child.stdin.write(`${JSON.stringify(order)}\n`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await this.#closed;
  }
}
