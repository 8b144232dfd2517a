/**
 * The script that its author edits. Azure generates a `main.py` that loads it as module `service_driver` and names it
 * in a string (azureml-core, `_model_management/_util.py`, the template of main.py); a script served directly is its own.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';

export function userScript(entryScript: string): string {
  if (basename(entryScript) !== 'main.py') return entryScript;
  let text: string;
  try {
    text = readFileSync(entryScript, 'utf8');
  } catch {
    return entryScript; // what cannot be read names nobody else
  }
  if (!text.includes('service_driver')) return entryScript;
  const named = Array.from(text.matchAll(/(['"])([^'"\n]+\.py)\1/g), ([, , name = '']) =>
    resolve(dirname(entryScript), name),
  );
  return named.find((script) => script !== entryScript && existsSync(script)) ?? entryScript;
}
