/**
 * One console a folder; whoever else wants to do something with it asks that one, over a socket in the folder's state,
 * which is open to this user only. One question a connection, one JSON line each way.
 */
import { rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { DrydockError, isErrorCode } from '../../../shared/core/errors.ts';
import type { FolderActions } from './actions.ts';

const conflict = z.object({ path: z.string(), kept: z.string() });
const take = z.enum(['host', 'container', 'both']);
const questionSchema = z.discriminatedUnion('ask', [
  z.object({ ask: z.literal('undo'), id: z.string() }),
  z.object({ ask: z.literal('settle'), conflict, take }),
]);
type Question = z.infer<typeof questionSchema>;

const undoneSchema = z.object({ path: z.string(), result: z.enum(['restored', 'already']) });
const settledSchema = z.string().nullable();
const refusalSchema = z.object({
  error: z.object({ code: z.string(), message: z.string(), hint: z.string().optional() }),
});

/** Serves until it is closed. Null where no socket can be: then the folder's other users are told that it is taken. */
export async function serveHolder(socket: string, actions: FolderActions): Promise<{ close(): void } | null> {
  rmSync(socket, { force: true }); // a dead holder's: ours is the lock
  const server = createServer({ allowHalfOpen: true }, (connection) => void answer(connection, actions));
  const listening = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false)).listen(socket, () => resolve(true));
  });
  if (!listening) return null;
  server.unref();
  return { close: () => void server.close() };
}

async function answer(connection: Socket, actions: FolderActions): Promise<void> {
  connection.on('error', () => undefined); // the asker has gone
  try {
    const question = questionSchema.parse(JSON.parse(await text(connection)));
    const value = await carryOut(question, actions);
    connection.end(JSON.stringify({ value }));
  } catch (error) {
    const told = error instanceof DrydockError ? error.toInfo() : { code: 'io', message: String(error) };
    connection.end(JSON.stringify({ error: told }));
  }
}

function carryOut(question: Question, actions: FolderActions): Promise<unknown> {
  switch (question.ask) {
    case 'undo':
      return actions.undo(question.id);
    case 'settle':
      return actions.settle(question.conflict, question.take);
  }
}

/** The holder's actions; null when nobody listens there. */
export async function askHolder(socket: string): Promise<FolderActions | null> {
  const first = await connect(socket);
  if (first === null) return null;
  first.destroy();
  const ask = async <T>(question: Question, schema: z.ZodType<T>): Promise<T> => {
    const connection = await connect(socket);
    if (connection === null) throw gone();
    connection.end(JSON.stringify(question));
    const told: unknown = JSON.parse((await text(connection)) || 'null');
    const refusal = refusalSchema.safeParse(told);
    if (refusal.success) {
      const { code, message, hint } = refusal.data.error;
      throw new DrydockError(isErrorCode(code) ? code : 'io', message, { hint });
    }
    const answered = z.object({ value: schema }).safeParse(told);
    if (!answered.success) throw gone();
    return answered.data.value;
  };
  return {
    undo: (id) => ask({ ask: 'undo', id }, undoneSchema),
    settle: (of, side) => ask({ ask: 'settle', conflict: { ...of }, take: side }, settledSchema),
  };
}

function connect(socket: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const connection = createConnection({ path: socket, allowHalfOpen: true });
    connection.once('connect', () => resolve(connection)).once('error', () => resolve(null));
  });
}

function gone(): DrydockError {
  return new DrydockError('io', 'The console that synchronises the folder has ended meanwhile.', {
    hint: 'Try again: nothing was lost.',
  });
}
