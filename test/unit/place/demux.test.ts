import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Demultiplexer, FrameReader } from '../../../console/place/docker/demux.ts';

interface Sent {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
}

const sent = fc.array(
  fc.record({
    stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    data: fc.uint8Array({ maxLength: 40 }),
  }),
  { maxLength: 12 },
);

function encode(frames: readonly Sent[]): Buffer {
  return Buffer.concat(
    frames.flatMap(({ stream, data }) => {
      const header = Buffer.alloc(8);
      header.writeUInt8(stream === 'stdout' ? 1 : 2, 0);
      header.writeUInt32BE(data.length, 4);
      return [header, data];
    }),
  );
}

function* cut(data: Buffer, sizes: readonly number[]): Generator<Buffer> {
  let at = 0;
  for (let turn = 0; at < data.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield data.subarray(at, at + size);
    at += size;
  }
}

describe('frames', () => {
  it('come out whole and in order, wherever the stream is cut', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(sent, sizes, (frames, chunks) => {
        const reader = new FrameReader();
        const seen = [...cut(encode(frames), chunks)].flatMap((chunk) => [...reader.read(chunk)]);
        for (const stream of ['stdout', 'stderr'] as const) {
          const of = (list: readonly Sent[]) =>
            Buffer.concat(list.filter((frame) => frame.stream === stream).map(({ data }) => data));
          expect(of(seen).equals(of(frames))).toBe(true);
        }
        expect(reader.complete).toBe(true);
      }),
    );
  });

  it('of a stream that has none are refused', () => {
    expect(() => [...new FrameReader().read(Buffer.from('plain text of a terminal'))]).toThrow(/not multiplexed/);
  });
});

describe('a demultiplexer', () => {
  it('keeps stdout and stderr apart', async () => {
    const demux = new Demultiplexer();
    demux.end(
      encode([
        { stream: 'stdout', data: Buffer.from('a') },
        { stream: 'stderr', data: Buffer.from('b') },
      ]),
    );
    expect(await Promise.all([text(demux), text(demux.stderr)])).toEqual(['a', 'b']);
  });

  it('takes nothing more while nobody reads stderr', () => {
    const demux = new Demultiplexer();
    demux.resume();
    const frame = encode([{ stream: 'stderr', data: Buffer.alloc(200_000) }]);
    demux.write(frame);
    expect(demux.write(frame)).toBe(false);
    expect(demux.stderr.readableLength).toBe(200_000);
  });

  it('says that a stream was cut off', async () => {
    const demux = new Demultiplexer();
    demux.end(Buffer.concat([encode([{ stream: 'stdout', data: Buffer.from('whole') }]), Buffer.from([1, 0])]));
    demux.stderr.on('error', () => undefined);
    await expect(text(demux)).rejects.toThrow(/cut the stream off/);
  });
});
