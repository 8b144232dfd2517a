/** What the engine and its socket answer, as errors that a user can mend. */
import { DrydockError } from '../../../shared/core/errors.ts';

/** What was asked for: `what` completes "could not …"; `host` names the engine; `container` the container, if it is about one. */
export interface Asked {
  readonly host: string;
  readonly what: string;
  readonly container?: string;
}

/** Wraps once: a DrydockError passes as it is. */
export function engineError(cause: unknown, asked: Asked): DrydockError {
  if (cause instanceof DrydockError) return cause;
  const code = textOf(cause, 'code');
  if (code === 'EACCES' || code === 'EPERM') {
    return new DrydockError('no-permission', `This user may not use the Docker Engine at ${asked.host}.`, {
      hint: 'Run `sudo usermod -aG docker $USER` and log in again, or run this command with sudo.',
      cause,
    });
  }
  const status = statusOf(cause);
  if (status === undefined && code !== undefined && GONE.has(code)) {
    return new DrydockError('no-engine', `No Docker Engine answers at ${asked.host} (${code}).`, {
      hint: 'Start it (`sudo systemctl start docker`, or Docker Desktop), or name another one: DOCKER_HOST, `docker context use`.',
      cause,
    });
  }
  const words = engineWords(cause);
  if (/no such container/i.test(words)) {
    const name = asked.container ?? /container:?\s+(\S+)/i.exec(words)?.[1] ?? '';
    return new DrydockError('no-container', `There is no container ${name}.`, {
      hint: 'See which there are: `docker ps --all`.',
      cause,
    });
  }
  const stopped = /is paused|is not running|is restarting|marked for removal|container stopped\/paused/i.exec(
    words,
  )?.[0];
  if (asked.container !== undefined && stopped !== undefined) {
    return notRunning(
      asked.container,
      /paused/i.test(stopped) && !/stopped/i.test(stopped) ? 'paused' : 'exited',
      cause,
    );
  }
  return new DrydockError('io', `Could not ${asked.what}: ${words}`, { cause });
}

/** `state` as the engine calls it: paused, exited, created, restarting, dead, removing. */
export function notRunning(name: string, state: string, cause?: unknown): DrydockError {
  switch (state) {
    case 'paused':
      return new DrydockError('not-running', `The container ${name} is paused.`, {
        hint: `Let it go on: \`docker unpause ${name}\`.`,
        cause,
      });
    case 'restarting':
      return new DrydockError('not-running', `The container ${name} keeps ending and being restarted.`, {
        hint: `Look into its last state: \`drydock revive ${name}\`; its log: \`docker logs --tail 50 ${name}\`.`,
        cause,
      });
    case 'removing':
    case 'dead':
      return new DrydockError('not-running', `The container ${name} is being removed.`, {
        hint: 'Run its image again: `docker run IMAGE`.',
        cause,
      });
    default:
      return new DrydockError('not-running', `The container ${name} is not running (${state}).`, {
        hint: `Start it: \`docker start ${name}\`; if it ends again: \`drydock revive ${name}\` says why and keeps it alive.`,
        cause,
      });
  }
}

/** The engine's own words, without the HTTP wrapping of the client. */
export function engineWords(cause: unknown): string {
  const words = cause instanceof Error ? cause.message : String(cause);
  return words.replace(/^\(HTTP code \d+\) .*? - /s, '').trim();
}

export function statusOf(cause: unknown): number | undefined {
  const value: unknown = cause instanceof Error && 'statusCode' in cause ? cause.statusCode : undefined;
  return typeof value === 'number' ? value : undefined;
}

const GONE: ReadonlySet<string> = new Set([
  'ENOENT',
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'EPIPE',
]);

function textOf(cause: unknown, key: 'code'): string | undefined {
  const value: unknown = cause instanceof Error && key in cause ? cause[key] : undefined;
  return typeof value === 'string' ? value : undefined;
}
