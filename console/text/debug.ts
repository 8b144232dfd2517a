/** The debugger's state in words. */
import type { DebuggerState } from '../../shared/core/service.ts';
import type { Launch } from '../engine/launch-json.ts';

export function describeDebugger({ pid, version, own, trouble }: DebuggerState, port: number): string {
  if (pid === null) return trouble === null ? 'no worker is debugged yet' : `no debugger listens: ${trouble}`;
  return `debugpy ${version ?? ''} (${own ? 'the image’s' : 'Drydock’s'}) in worker ${pid}: 127.0.0.1:${port}`;
}

export function describeLaunch({ file, name, result }: Launch): string {
  const what = { created: 'made', merged: 'completed; all else in it stayed', same: 'has it already' }[result];
  return `${file} ${what}: F5 on “${name}”`;
}

/** What the image's own sources need for the same without Drydock. */
export function offer({ version, own }: DebuggerState): string | null {
  if (own || version === null) return null;
  return `to have debugpy in the image: requirements.txt “debugpy==${version}”, or in the conda file under pip “- debugpy==${version}”`;
}
