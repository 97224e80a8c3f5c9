import {
  FrameEvent,
  FrameReader,
  FrameWriter,
  HpackDecoder,
  ReceiveWindow,
  type SettingId,
} from '@rp/parser';
import net from 'node:net';
import type { Socket } from 'node:net';
import { until } from './wait.ts';

/** One frame from the server, as far as tests look at it. */
export interface Frame {
  readonly type:
    | 'headers'
    | 'data'
    | 'rst'
    | 'settings'
    | 'settingsAck'
    | 'ping'
    | 'pingAck'
    | 'goaway'
    | 'window';
  readonly stream: number;
  readonly end?: boolean;
  /** Error code, or increment of a window. */
  readonly code?: number;
  readonly last?: number;
  readonly fields?: readonly string[];
  readonly bytes?: Buffer;
}

/** What a stream got, all frames together. */
export interface StreamResult {
  /** The final head; empty if there was none. */
  fields: readonly string[];
  interim: readonly (readonly string[])[];
  body: Buffer;
  trailers: readonly string[];
  ended: boolean;
  /** Error code of RST_STREAM. */
  reset: number | undefined;
}

export const get = (method = 'GET', path = '/', ...fields: string[]): string[] => [
  ':method',
  method,
  ':scheme',
  'http',
  ':authority',
  'app.example',
  ':path',
  path,
  ...fields,
];

/** A client that writes whatever frames it is told to, with the codec alone and no manners of its own. */
export class H2Client {
  readonly socket: Socket;
  readonly writer: FrameWriter = new FrameWriter();
  readonly frames: Frame[] = [];
  /** Gives window back as data arrives. */
  generous = true;
  ended = false;
  closed = false;
  readonly #reader: FrameReader = new FrameReader({ role: 'client' });
  readonly #decoder: HpackDecoder = new HpackDecoder(4096, 1_048_576);
  readonly #window: ReceiveWindow = new ReceiveWindow(65_535);
  readonly #next = { id: 1 };

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('end', () => (this.ended = true));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => (this.closed = true));
  }

  /** Connects without a word. */
  static async bare(port: number): Promise<H2Client> {
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const client = new H2Client(socket);
    await until(() => !socket.connecting);
    return client;
  }

  /** Connects, and greets as RFC 9113 §3.4 wants it. */
  static async connect(port: number, settings: readonly number[] = []): Promise<H2Client> {
    const client = await H2Client.bare(port);
    client.greet(settings);
    await client.until(() => client.frames.some(({ type }) => type === 'settings'));
    client.writer.settingsAck();
    client.flush();
    return client;
  }

  greet(settings: readonly number[] = []): void {
    this.writer.preface();
    this.writer.settings(settings);
    this.flush();
  }

  /** Sends what was written. */
  flush(): void {
    for (const bytes of this.writer.take()) this.socket.write(bytes);
  }

  /** Raw octets: length, type, flags, stream, payload. */
  frame(
    type: number,
    flags: number,
    stream: number,
    payload: Uint8Array = new Uint8Array(0),
    length = payload.length,
  ): void {
    this.flush();
    const head = Buffer.alloc(9);
    head.writeUIntBE(length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(stream, 5);
    this.socket.write(Buffer.concat([head, payload]));
  }

  /** A whole request; returns its stream. */
  request(fields: readonly string[] = get(), end = true): number {
    const id = this.#next.id;
    this.#next.id += 2;
    this.writer.headers(id, fields, end);
    this.flush();
    return id;
  }

  data(stream: number, bytes: string | Buffer, end = false): void {
    const buffer = Buffer.from(bytes);
    this.writer.data(stream, buffer, 0, buffer.length, end);
    this.flush();
  }

  async until(condition: () => boolean): Promise<void> {
    await until(() => condition() || this.ended || this.closed);
  }

  of(stream: number): StreamResult {
    const result = {
      fields: [] as readonly string[],
      interim: [] as (readonly string[])[],
      trailers: [] as readonly string[],
    };
    const parts: Buffer[] = [];
    let ended = false;
    let reset: number | undefined;
    for (const frame of this.frames) {
      if (frame.stream !== stream) continue;
      if (frame.type === 'rst') reset = frame.code;
      if (frame.end === true) ended = true;
      if (frame.type === 'data') parts.push(frame.bytes!);
      if (frame.type !== 'headers') continue;
      const status = frame.fields![1] ?? '';
      if (frame.fields![0] !== ':status') result.trailers = frame.fields!;
      else if (status.startsWith('1')) result.interim.push(frame.fields!);
      else result.fields = frame.fields!;
    }
    return { ...result, body: Buffer.concat(parts), ended, reset };
  }

  /** Waits until the stream ended or was reset. */
  async result(stream: number): Promise<StreamResult> {
    await this.until(() =>
      this.frames.some((one) => one.stream === stream && (one.end === true || one.type === 'rst')),
    );
    return this.of(stream);
  }

  /** Waits for GOAWAY and returns its code; undefined if the connection went without. */
  async goaway(): Promise<number | undefined> {
    await this.until(() => this.frames.some(({ type }) => type === 'goaway'));
    return this.frames.findLast(({ type }) => type === 'goaway')?.code;
  }

  async gone(): Promise<void> {
    await until(() => this.ended || this.closed);
  }

  destroy(): void {
    this.socket.destroy();
  }

  #read(chunk: Buffer): void {
    const reader = this.#reader;
    reader.feed(chunk, 0, chunk.length);
    for (let event = reader.next(); event !== FrameEvent.none; event = reader.next()) this.#event(event);
    if (this.generous) this.flush();
  }

  #event(event: FrameEvent): void {
    const reader = this.#reader;
    const stream = reader.streamId;
    switch (event) {
      case FrameEvent.headers: {
        const result = this.#decoder.decode(reader.buffer, reader.start, reader.end);
        if (result !== 'ok') throw new Error(`header block: ${result}`);
        this.frames.push({
          type: 'headers',
          stream,
          end: reader.endStream,
          fields: [...this.#decoder.fields],
        });
        return;
      }
      case FrameEvent.data: {
        const bytes = Buffer.from(reader.buffer.subarray(reader.start, reader.end));
        this.frames.push({ type: 'data', stream, end: reader.endStream, bytes });
        if (!this.generous || reader.flowLength === 0) return;
        this.#window.receive(reader.flowLength);
        const increment = this.#window.release(reader.flowLength);
        if (increment > 0) this.writer.windowUpdate(0, increment);
        if (!reader.endStream) this.writer.windowUpdate(stream, reader.flowLength);
        return;
      }
      case FrameEvent.rstStream:
        this.frames.push({ type: 'rst', stream, code: reader.errorCode });
        return;
      case FrameEvent.goaway:
        this.frames.push({ type: 'goaway', stream: 0, code: reader.errorCode, last: reader.lastStreamId });
        return;
      case FrameEvent.windowUpdate:
        this.frames.push({ type: 'window', stream, code: reader.increment });
        return;
      case FrameEvent.settings:
        this.frames.push({
          type: 'settings',
          stream: 0,
          bytes: Buffer.from(reader.buffer.subarray(reader.start, reader.end)),
        });
        return;
      case FrameEvent.settingsAck:
        this.frames.push({ type: 'settingsAck', stream: 0 });
        return;
      case FrameEvent.ping:
        this.frames.push({ type: 'ping', stream: 0 });
        return;
      case FrameEvent.pingAck:
        this.frames.push({
          type: 'pingAck',
          stream: 0,
          bytes: Buffer.from(reader.buffer.subarray(reader.start, reader.end)),
        });
        return;
      case FrameEvent.error:
        throw new Error(`the server broke a rule: ${reader.error?.message}`);
      default:
        return;
    }
  }
}

/** Value of a field in a flat list. */
export function value(fields: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
  return undefined;
}

/** A setting in the payload of SETTINGS. */
export function setting(payload: Buffer, id: (typeof SettingId)[keyof typeof SettingId]): number | undefined {
  for (let at = 0; at < payload.length; at += 6)
    if (payload.readUInt16BE(at) === id) return payload.readUInt32BE(at + 2);
  return undefined;
}
