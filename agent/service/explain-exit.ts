/** Why a process of the service ended, from what could be known of it. */
import type { ServiceExit } from '../../shared/core/service.ts';

/** As the master took it (waitpid); exactly one of code and signal is given. */
export interface ExitStatus {
  readonly code?: number | undefined;
  /** `SIGSEGV` */
  readonly signal?: string | undefined;
  /** gunicorn ended it for want of a heartbeat. */
  readonly timeout: boolean;
}

export interface ExitEvidence {
  /** `worker 41`, `the service's process 8` */
  readonly what: string;
  /** Absent where nobody told it: then only what was seen from outside counts. */
  readonly status?: ExitStatus | undefined;
  /** The kernel killed it for memory, by the container's count of such kills. */
  readonly byMemory: boolean;
  /** Bytes; null without a limit. */
  readonly memoryLimit: number | null;
  /** Bytes that it held when it was last seen; null when that is not known. */
  readonly resident: number | null;
  /** Its heartbeats had stopped for as long as gunicorn allows. */
  readonly silent: boolean;
  /** Milliseconds without a heartbeat that gunicorn allows; null for other servers. */
  readonly timeoutMs: number | null;
  /** What sets it: `WORKER_TIMEOUT`, `--timeout`. */
  readonly timeoutName: string;
}

type Explained = Pick<ServiceExit, 'cause' | 'words'>;

/** Null when it ended in order: by exit code 0, as on a reload or after `--max-requests`. */
export function explainExit(seen: ExitEvidence): Explained | null {
  const { what, status, byMemory, silent } = seen;
  if (byMemory) return outOfMemory(seen);
  if (status?.timeout === true || (status === undefined && silent)) return timedOut(seen);
  if (status?.signal !== undefined) return { cause: 'signal', words: `${what} ${bySignal(status.signal)}` };
  if (status?.code === 0) return null;
  if (status?.code !== undefined)
    return { cause: 'code', words: `${what} ended with exit code ${codeWords(status.code)}` };
  return {
    cause: 'unknown',
    words: `${what} ended and nothing says why (not for memory, not by timeout): a crash in compiled code, os._exit(), a signal, or a restart by somebody else`,
  };
}

function timedOut({ what, timeoutMs, timeoutName }: ExitEvidence): Explained {
  const after = timeoutMs === null ? '' : ` after ${timeoutMs / 1000} s`;
  return { cause: 'timeout', words: `${what} was ended by gunicorn${after} without a heartbeat (${timeoutName})` };
}

function outOfMemory({ what, memoryLimit, resident }: ExitEvidence): Explained {
  const where = memoryLimit === null ? ': the machine ran out of it' : ` at ${megabytes(memoryLimit)}`;
  const held = resident === null ? '' : `; it held ${megabytes(resident)} when last seen`;
  return { cause: 'memory', words: `${what} was killed by the kernel for memory${where}${held}` };
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MB`;

const CRASHES = new Set(['SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGABRT', 'SIGTRAP', 'SIGSYS']);

function bySignal(signal: string): string {
  if (CRASHES.has(signal)) {
    return `crashed by ${signal}: a compiled package does not fit this Python or this machine`;
  }
  return signal === 'SIGKILL'
    ? 'was killed by SIGKILL: by somebody, or by the machine for want of memory'
    : `was killed by ${signal}`;
}

/** gunicorn's own codes (arbiter.py, `WORKER_BOOT_ERROR`, `APP_LOAD_ERROR`). */
function codeWords(code: number): string {
  if (code === 3) return '3: its code did not boot';
  return code === 4 ? '4: its application could not be loaded' : String(code);
}
