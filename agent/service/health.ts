/** Asks the service's health path, as a probe does. */
import { request } from 'node:http';
import type { ServiceState } from '../../shared/core/service.ts';
import type { Listener } from './procfs.ts';

export interface Asked {
  readonly listener: Listener;
  readonly path: string;
  /** A 404 is then an answer too: nobody said that the path exists. */
  readonly guessed: boolean;
}

/** `unreachable` when nothing accepts the connection or no answer comes within `timeoutMs`. */
export function askHealth(asked: Asked, timeoutMs: number, signal?: AbortSignal): Promise<ServiceState['health']> {
  const { listener, path, guessed } = asked;
  return new Promise((resolve) => {
    const sent = request(
      {
        host: listener.host,
        port: listener.port,
        path,
        agent: false,
        headers: { 'user-agent': 'drydock' },
        signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])]),
      },
      (answer) => {
        const status = answer.statusCode ?? 500;
        answer.on('error', () => undefined).resume();
        resolve(status < 400 || (guessed && status < 500) ? 'healthy' : 'unhealthy');
      },
    );
    sent.on('error', () => resolve('unreachable'));
    sent.end();
  });
}
