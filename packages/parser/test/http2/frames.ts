import {
  CLIENT_PREFACE,
  FrameEvent,
  FrameReader,
  HpackEncoder,
  maxBlockSize,
} from '../../src/http2/index.ts';
import type { FrameReaderOptions } from '../../src/http2/index.ts';

/** Octets from hexadecimal text with any white space. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replace(/\s+/g, ''), 'hex');
}

/** One frame, written without the code under test. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array | readonly number[] = [],
  length: number = payload.length,
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId >>> 0, 5);
  return Buffer.concat([header, Uint8Array.from(payload)]);
}

export const PREFACE: Buffer = Buffer.from(CLIENT_PREFACE, 'latin1');
export const SETTINGS: Buffer = frame(4, 0, 0);

/** 32 bits, big-endian. */
export function word(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value >>> 0);
  return octets;
}

/** Entries of a SETTINGS payload. */
export function entries(...pairs: readonly (readonly [number, number])[]): Buffer {
  return Buffer.concat(pairs.map(([id, value]) => Buffer.concat([Buffer.of(id >> 8, id), word(value)])));
}

/** A header block by an encoder that no other block has gone through. */
export function block(fields: readonly string[], encoder: HpackEncoder = new HpackEncoder()): Buffer {
  const output = Buffer.alloc(maxBlockSize(fields));
  return output.subarray(0, encoder.encode(fields, output, 0));
}

/** Fields of a request that is in order, with more behind them. */
export function request(...more: readonly string[]): string[] {
  return [':method', 'GET', ':scheme', 'https', ':path', '/', ':authority', 'example.com', ...more];
}

const NAMES = Object.keys(FrameEvent);

/** Feeds chunks and notes each event as text; data of one frame in several pieces is noted as one. */
export function readAll(reader: FrameReader, chunks: readonly Buffer[]): string[] {
  const notes: string[] = [];
  let data: { note: string; octets: string; flow: number; padding: number } | null = null;
  for (const chunk of chunks) {
    reader.feed(chunk, 0, chunk.length);
    for (let event = reader.next(); event !== FrameEvent.none; event = reader.next()) {
      const octets = reader.buffer.toString('hex', reader.start, reader.end);
      if (event === FrameEvent.data) {
        if (data === null || reader.flowLength > 0 || octets === '') {
          data = { note: `data ${reader.streamId}`, octets: '', flow: 0, padding: 0 };
          notes.push('');
        }
        data.octets += octets;
        data.flow += reader.flowLength;
        data.padding += reader.paddingLength;
        const end = reader.endStream ? ' end' : '';
        notes[notes.length - 1] =
          `${data.note} ${data.octets} flow ${data.flow} padding ${data.padding}${end}`;
        continue;
      }
      notes.push(note(reader, event, octets));
    }
  }
  return notes;
}

function note(reader: FrameReader, event: number, octets: string): string {
  const name = NAMES[event] ?? '?';
  switch (event) {
    case FrameEvent.headers:
      return `headers ${reader.streamId} ${octets}${reader.endStream ? ' end' : ''}${
        reader.selfDependent ? ' selfDependent' : ''
      }`;
    case FrameEvent.error:
      return `${reader.error?.scope} ${reader.error?.streamId} ${reader.error?.name}`;
    case FrameEvent.windowUpdate:
      return `windowUpdate ${reader.streamId} ${reader.increment}`;
    case FrameEvent.rstStream:
      return `rstStream ${reader.streamId} ${reader.errorCode}`;
    case FrameEvent.goaway:
      return `goaway ${reader.lastStreamId} ${reader.errorCode} ${octets}`;
    case FrameEvent.unknown:
      return `unknown ${reader.frameType}`;
    case FrameEvent.settings:
    case FrameEvent.ping:
    case FrameEvent.pingAck:
      return `${name} ${octets}`;
    default:
      return `${name} ${reader.streamId}`;
  }
}

/** Events of frames behind preface and SETTINGS, on a new reader of a server. */
export function serverEvents(chunk: Buffer, options: Partial<FrameReaderOptions> = {}): string[] {
  const reader = new FrameReader({ role: 'server', ...options });
  return readAll(reader, [PREFACE, SETTINGS, chunk]).slice(1);
}
