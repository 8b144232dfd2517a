/** A requirements file as one text: the files that it includes are put in their place. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';

/** Rejects with `io` where a file cannot be read, with `usage` on lines that need files which are not sent along. */
export async function readRequirements(file: string): Promise<string> {
  const text = await read(file);
  const lines = await Promise.all(
    text.split(/\r?\n/).map(async (line, index) => {
      const include = /^\s*(?:-r|--requirement)[\s=]+(\S+)/.exec(line)?.[1];
      if (include !== undefined) return readRequirements(resolve(dirname(file), include));
      if (/^\s*(-e|--editable|-c|--constraint|\.{1,2}\/)/.test(line)) {
        throw new DrydockError('usage', `${file}:${index + 1}: “${line.trim()}” names a local file.`, {
          hint: 'Write the package and its version into the requirements, or install it in Dockerfile.steps with RUN pip install.',
        });
      }
      return line;
    }),
  );
  return lines.join('\n');
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new DrydockError('io', `The requirements file ${file} cannot be read.`, {
      hint: 'Name it with --requirements FILE, from the working folder or the project’s.',
      cause,
    });
  }
}
