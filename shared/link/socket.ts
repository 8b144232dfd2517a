/** A TCP socket that goes on as a stream of the link, both ways and half-closed as either end is. */
import type { Socket } from 'node:net';
import type { Transform } from 'node:stream';
import type { MuxStream } from './mux-stream.ts';

/**
 * `closed`: the socket is; whoever answered the `open` of the stream has a last word to say. What the stream says passes
 * `through` on its way to the socket.
 */
export function joinSocket(socket: Socket, stream: MuxStream, closed: () => void, through?: Transform): void {
  socket.setNoDelay(true);
  socket.pipe(stream);
  if (through === undefined) stream.pipe(socket);
  else stream.pipe(through).pipe(socket);
  socket.once('error', () => stream.destroy());
  socket.once('close', closed);
  stream.on('error', () => socket.destroy());
  stream.once('close', () => socket.destroy());
}
