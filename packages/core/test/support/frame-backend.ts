import { FrameEvent, FrameReader, FrameWriter, HpackDecoder } from '@rp/parser';
import net from 'node:net';
import { onTestFinished } from 'vitest';
import { listening } from './h2-backend.ts';

/** What a frame backend is told of the proxy's frames. */
export interface BackendFrame {
  readonly type: 'headers' | 'data' | 'rst' | 'window' | 'goaway';
  readonly stream: number;
  readonly end: boolean;
  readonly fields: readonly string[];
  readonly bytes: Buffer;
  /** Error code, or increment. */
  readonly code: number;
}

/** One connection of the proxy to a backend that writes whatever frames it is told to. */
export class FrameSession {
  readonly writer: FrameWriter = new FrameWriter();
  readonly frames: BackendFrame[] = [];
  readonly socket: net.Socket;
  readonly #reader: FrameReader = new FrameReader({ role: 'server' });
  readonly #decoder: HpackDecoder = new HpackDecoder(4096, 1_048_576);
  readonly #onFrame: (frame: BackendFrame, session: FrameSession) => void;

  constructor(
    socket: net.Socket,
    settings: readonly number[],
    onFrame: (frame: BackendFrame, session: FrameSession) => void,
  ) {
    this.socket = socket;
    this.#onFrame = onFrame;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.writer.settings(settings);
    this.flush();
  }

  flush(): void {
    for (const bytes of this.writer.take()) this.socket.write(bytes);
  }

  data(stream: number, text: string, end: boolean): void {
    const bytes = Buffer.from(text);
    this.writer.data(stream, bytes, 0, bytes.length, end);
  }

  of(type: BackendFrame['type']): readonly BackendFrame[] {
    return this.frames.filter((frame) => frame.type === type);
  }

  #read(chunk: Buffer): void {
    const reader = this.#reader;
    reader.feed(chunk, 0, chunk.length);
    for (let event = reader.next(); event !== FrameEvent.none; event = reader.next()) this.#event(event);
    this.flush();
  }

  #event(event: FrameEvent): void {
    const reader = this.#reader;
    const { streamId: stream, errorCode, increment } = reader;
    const nothing = { stream, end: false, fields: [], bytes: Buffer.alloc(0), code: errorCode };
    if (event === FrameEvent.settings) this.writer.settingsAck();
    else if (event === FrameEvent.error) throw new Error(`the proxy broke a rule: ${reader.error?.message}`);
    else if (event === FrameEvent.headers) {
      if (this.#decoder.decode(reader.buffer, reader.start, reader.end) !== 'ok')
        throw new Error('header block');
      this.#add({ ...nothing, type: 'headers', end: reader.endStream, fields: [...this.#decoder.fields] });
    } else if (event === FrameEvent.data) {
      const bytes = Buffer.from(reader.buffer.subarray(reader.start, reader.end));
      this.#add({ ...nothing, type: 'data', end: reader.endStream, bytes });
    } else if (event === FrameEvent.rstStream) this.#add({ ...nothing, type: 'rst' });
    else if (event === FrameEvent.windowUpdate) this.#add({ ...nothing, type: 'window', code: increment });
    else if (event === FrameEvent.goaway) this.#add({ ...nothing, type: 'goaway' });
  }

  #add(frame: BackendFrame): void {
    this.frames.push(frame);
    this.#onFrame(frame, this);
  }
}

export interface FrameBackend {
  readonly port: number;
  readonly sessions: FrameSession[];
}

/** A backend that answers frame by frame; it ends with the test. */
export async function startFrameBackend(
  onFrame: (frame: BackendFrame, session: FrameSession) => void,
  settings: readonly number[] = [],
): Promise<FrameBackend> {
  const sessions: FrameSession[] = [];
  const server = net.createServer((socket) => sessions.push(new FrameSession(socket, settings, onFrame)));
  const port = await listening(server);
  onTestFinished(() => {
    for (const { socket } of sessions) socket.destroy();
    server.close();
  });
  return { port, sessions };
}
