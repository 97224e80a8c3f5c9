import {
  ErrorCode,
  FloodKind,
  FrameEvent,
  FrameReader,
  FrameType,
  HpackDecoder,
  IGNORE,
  STREAM_ERROR,
  StreamState,
  afterReceive,
  errorName,
  transitionError,
} from '@rp/parser';
import type { Socket } from 'node:net';
import { Counter } from '../../counters.ts';
import { BLOCK_FACTOR } from '../../http2/bounds.ts';
import type { ChunkSource } from '../../read-buffers.ts';
import type { Runtime } from '../../runtime.ts';
import type { SocketUser } from '../connecting.ts';
import { SessionLife, type SessionOwner } from './session-life.ts';
import type { Http2BackendStream } from './stream.ts';

/**
 * One HTTP/2 connection to a backend (RFC 9113), with many streams side by side. Nothing is sent on it before the
 * backend's SETTINGS are there: only then it is known to speak HTTP/2, and how many streams it takes.
 */
export class Http2BackendSession extends SessionLife implements SocketUser {
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  /** Streams whose responses got a piece in this read. */
  readonly #fed: Http2BackendStream[] = [];

  constructor(runtime: Runtime, owner: SessionOwner, socket: Socket) {
    super(runtime, owner, socket);
    const { headers } = runtime.settings.limits;
    this.#reader = new FrameReader({
      role: 'client',
      maxHeaderBlockSize: Math.max(16_384, headers * BLOCK_FACTOR),
    });
    this.#decoder = new HpackDecoder(4096, headers);
  }

  // ---- Reading ----------------------------------------------------------------------------------------------

  read(chunk: Buffer, length: number, source: ChunkSource): void {
    const now = this.runtime.touch();
    this.runtime.counters.cells[Counter.bytesFromBackends]! += length;
    if (this.isClosed) return;
    const reader = this.#reader;
    reader.feed(chunk, 0, length);
    for (let event = reader.next(); event !== FrameEvent.none; event = reader.next()) {
      this.#frame(event, source, now);
      if (this.isClosed) return;
    }
    const fed = this.#fed;
    for (let i = 0; i < fed.length; i++) fed[i]!.flushed();
    fed.length = 0;
    if (this.output.isFull && !this.readingPaused) {
      this.readingPaused = true;
      this.socket.pause();
    }
  }

  #frame(event: FrameEvent, source: ChunkSource, now: number): void {
    const { output } = this;
    switch (event) {
      case FrameEvent.headers:
        return this.#headers(now);
      case FrameEvent.data:
        return this.#data(source, now);
      case FrameEvent.windowUpdate:
        return this.#windowUpdate(now);
      case FrameEvent.rstStream:
        return this.#rstStream(now);
      case FrameEvent.settings:
        return this.#settings(now);
      case FrameEvent.settingsAck:
        return this.#count(FloodKind.settings, now);
      case FrameEvent.ping:
        output.writer.ping(this.#reader.buffer, this.#reader.start, true);
        output.touch();
        return this.#count(FloodKind.ping, now);
      case FrameEvent.pingAck:
        return this.#count(FloodKind.ping, now);
      case FrameEvent.goaway:
        return this.#goaway();
      case FrameEvent.priority:
      case FrameEvent.unknown:
        return this.#count(FloodKind.priority, now);
      case FrameEvent.error:
        return this.#wrong(now);
      default:
        return;
    }
  }

  #headers(now: number): void {
    const reader = this.#reader;
    const decoder = this.#decoder;
    // Always decoded: the tables must stay in step, whatever becomes of the stream (RFC 9113 §4.3).
    const result = decoder.decode(reader.buffer, reader.start, reader.end);
    if (result === 'compressionError') return this.fail(ErrorCode.COMPRESSION_ERROR, decoder.reason);
    const { streamId, endStream } = reader;
    const stream = this.#live(streamId, FrameType.HEADERS, endStream, now);
    if (stream === undefined) return;
    stream.headers(decoder.fields, decoder.kinds, result === 'ok', endStream);
    this.#feed(stream);
  }

  #data(source: ChunkSource, now: number): void {
    const reader = this.#reader;
    const { streamId, flowLength, endStream } = reader;
    if (flowLength > 0 && !this.flow.receive(flowLength)) {
      return this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'connection window exceeded');
    }
    if (reader.start === reader.end && !endStream) {
      this.#count(FloodKind.emptyFrame, now);
      if (this.isClosed) return;
    }
    const stream = this.#live(streamId, FrameType.DATA, endStream, now);
    if (stream === undefined) return this.released(flowLength);
    stream.data(reader.buffer, reader.start, reader.end, flowLength, endStream, source);
    this.#feed(stream);
  }

  #feed(stream: Http2BackendStream): void {
    if (stream.fed) return;
    stream.fed = true;
    this.#fed.push(stream);
  }

  /** The stream that a frame is for; undefined if none is to get it (RFC 9113 §5.1). */
  #live(id: number, type: number, endStream: boolean, now: number): Http2BackendStream | undefined {
    const stream = this.streams.get(id);
    const next = afterReceive(stream?.state ?? this.ids.stateOf(id), type, endStream);
    if (next < IGNORE && stream !== undefined) return stream;
    if (next === IGNORE) {
      this.#count(FloodKind.ignored, now);
    } else if ((next & STREAM_ERROR) !== 0) {
      const code = transitionError(next) as ErrorCode;
      if (stream !== undefined) stream.invalid('frame on a stream that is closed', code);
      else this.#refuse(id, code);
    } else {
      this.fail(ErrorCode.PROTOCOL_ERROR, 'frame on a stream that is not open');
    }
    return undefined;
  }

  #refuse(id: number, code: ErrorCode): void {
    this.ids.closed(id, StreamState.resetLocal);
    this.output.writer.rstStream(id, code);
    this.output.touch();
  }

  #rstStream(now: number): void {
    const { streamId, errorCode } = this.#reader;
    this.#count(FloodKind.resetReceived, now);
    const stream = this.streams.get(streamId);
    if (stream !== undefined) stream.resetByPeer(errorCode);
    else if (this.ids.stateOf(streamId) === StreamState.idle)
      this.fail(ErrorCode.PROTOCOL_ERROR, 'RST_STREAM on an idle stream');
  }

  #windowUpdate(now: number): void {
    const { streamId, increment } = this.#reader;
    this.#count(FloodKind.windowUpdate, now);
    if (this.isClosed) return;
    if (streamId === 0) {
      if (!this.output.window.grow(increment))
        return this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'window too large');
      return this.output.pump();
    }
    const stream = this.streams.get(streamId);
    if (stream !== undefined) stream.grown(increment);
    else if (this.ids.stateOf(streamId) === StreamState.idle)
      this.fail(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE on an idle stream');
  }

  #settings(now: number): void {
    const reader = this.#reader;
    const remote = this.remote;
    this.#count(FloodKind.settings, now);
    if (this.isClosed) return;
    const code = remote.receive(reader.buffer, reader.start, reader.end);
    if (code !== ErrorCode.NO_ERROR) return this.fail(code as ErrorCode, 'bad setting');
    const { writer } = this.output;
    if (remote.lowestHeaderTableSize >= 0) {
      writer.hpack.setPeerTableSize(remote.lowestHeaderTableSize);
      writer.hpack.setPeerTableSize(remote.values.headerTableSize);
    }
    for (const stream of this.streams.values()) {
      if (!stream.sendWindow.grow(remote.initialWindowDelta))
        return this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'window too large');
    }
    writer.settingsAck();
    this.output.touch();
    if (remote.initialWindowDelta > 0) this.output.pump();
    if (this.state === 'greeting') {
      this.state = 'open';
      this.runtime.wheel.remove(this.greeting);
      this.owner.sessionReady(this);
    } else {
      this.owner.sessionHasRoom(this);
    }
  }

  /** No new streams; those that the backend never looked at go elsewhere (RFC 9113 §6.8). */
  #goaway(): void {
    const { lastStreamId, errorCode } = this.#reader;
    const detail = `GOAWAY: ${errorName(errorCode)}`;
    if (this.state === 'greeting') return this.end(ErrorCode.NO_ERROR, detail);
    if (this.state === 'open') {
      this.state = 'leaving';
      this.owner.sessionLeaving(this);
    }
    for (const stream of [...this.streams.values()]) {
      if (stream.id > lastStreamId) stream.lost(detail, true);
    }
    if (this.active === 0) this.end(ErrorCode.NO_ERROR, detail);
  }

  #wrong(now: number): void {
    const error = this.#reader.error!;
    if (error.scope === 'connection') return this.fail(error.code as ErrorCode, error.message);
    const stream = this.streams.get(error.streamId);
    if (stream !== undefined) return stream.invalid(error.message, error.code as ErrorCode);
    this.#count(FloodKind.ignored, now);
  }

  #count(kind: FloodKind, now: number): void {
    if (this.guard.count(kind, now)) this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'too many frames of a kind');
  }

  // ---- The socket -------------------------------------------------------------------------------------------

  /** Writes are accounted for one by one, as the output is told of each. */
  drained(): void {}

  ended(): void {
    this.runtime.touch();
    this.lost('end of stream');
  }

  closed(error: Error | undefined): void {
    this.runtime.touch();
    this.lost(error?.message ?? 'connection closed');
  }
}
