/** What those who follow the service want of it. Of several who want the same the last one counts. */
import type { ServiceWishes } from '../../shared/core/service.ts';
import type { GateRequest, ToHook } from '../hook/messages.ts';

export interface FollowOptions extends ServiceWishes {
  /** Changed code is reloaded by itself. */
  readonly auto: boolean;
}

export interface Routes {
  /** Only where it was given. */
  readonly port?: number;
  readonly scorePath: string;
  readonly healthPath: string;
}

export class Wishes {
  readonly #followers = new Map<symbol, FollowOptions>();

  /** Null: it follows no more. */
  set(client: symbol, options: FollowOptions | null): void {
    this.#followers.delete(client); // a Map keeps the place of a key that is set again
    if (options !== null) this.#followers.set(client, options);
  }

  clear(): void {
    this.#followers.clear();
  }

  get isFollowed(): boolean {
    return this.#followers.size > 0;
  }

  get isAuto(): boolean {
    return [...this.#followers.values()].some(({ auto }) => auto);
  }

  get<K extends keyof ServiceWishes>(name: K): ServiceWishes[K] | undefined {
    return [...this.#followers.values()].findLast((one) => one[name] !== undefined)?.[name];
  }

  routes(): Routes {
    const port = this.get('port');
    return {
      ...(port !== undefined && { port }),
      scorePath: this.get('scorePath') ?? '/score',
      healthPath: this.get('healthPath') ?? '/',
    };
  }

  sample(): GateRequest | null {
    const sample = this.get('sample');
    if (sample === undefined) return null;
    const { scorePath: path } = this.routes();
    return { method: 'POST', path, query: '', headers: { CONTENT_TYPE: sample.contentType }, body: sample.body };
  }

  /** What new code is to answer before it serves. */
  gate(): 'last' | GateRequest | null {
    return this.get('gate') === false ? null : (this.sample() ?? 'last');
  }

  /** What the hook does with requests. The gate needs the last good one. */
  settings(): Extract<ToHook, { do: 'settings' }> {
    return {
      do: 'settings',
      capture: this.get('capture') !== false,
      variables: this.get('variables') !== false,
      redact: this.get('redact') ?? [],
    };
  }
}
