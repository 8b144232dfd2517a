/** Runs a program and keeps what it said last for the message of its failure. */
import { spawn } from 'node:child_process';

/** A failure that the user can mend: shown without a stack. */
export class SetupError extends Error {
  /**
   * @param {string} message what failed, on what
   * @param {string} hint what to do next
   */
  constructor(message, hint) {
    super(message);
    this.name = 'SetupError';
    this.hint = hint;
  }
}

/**
 * @param {string} file
 * @param {readonly string[]} args
 * @param {{ note?: (text: string) => void, env?: NodeJS.ProcessEnv, cwd?: string, hint: string }} options
 * @returns {Promise<void>} rejects with SetupError when the program fails or is not there
 */
export function run(file, args, { note, env, cwd, hint }) {
  const what = [file, ...args].join(' ');
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: env ?? process.env, cwd });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (/** @type {Buffer} */ data) => {
        const text = data.toString();
        said = (said + text).slice(-4000);
        note?.(text);
      });
    }
    child.once('error', (error) => reject(new SetupError(`\`${what}\` cannot be run: ${error.message}.`, hint)));
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new SetupError(`\`${what}\` ended with ${code ?? 'a signal'}:\n${said.trim()}`, hint));
    });
  });
}
