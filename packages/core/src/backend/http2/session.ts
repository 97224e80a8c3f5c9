import {
  ErrorCode,
  FloodGuard,
  FloodKind,
  FrameEvent,
  FrameReader,
  FrameType,
  HpackDecoder,
  IGNORE,
  RemoteSettings,
  STREAM_ERROR,
  SettingId,
  StreamIds,
  StreamState,
  afterReceive,
  errorName,
  floodLimits,
  transitionError,
} from '@rp/parser';
import type { Socket } from 'node:net';
import { Counter } from '../../counters.ts';
import { ProxyFailure } from '../../failure.ts';
import { BLOCK_FACTOR, STREAM_WINDOW } from '../../http2/bounds.ts';
import { Deadline } from '../../http2/deadline.ts';
import { SessionOutput, type OutputOwner } from '../../http2/output.ts';
import { ReceiveFlow } from '../../http2/receive-flow.ts';
import type { ChunkSource } from '../../read-buffers.ts';
import type { Runtime } from '../../runtime.ts';
import type { SocketUser } from '../connecting.ts';
import { MAX_STREAMS } from './bounds.ts';
import { Http2BackendStream } from './stream.ts';

/** A busy backend resets many streams, and what is cancelled goes on arriving for a while: neither is an attack. */
const caps: Float64Array = floodLimits({ resetReceived: Infinity, resetCaused: Infinity, ignored: Infinity });

/** The pool, as a session knows it. */
export interface SessionOwner {
  /** The backend has greeted: streams can be opened. */
  sessionReady(session: Http2BackendSession): void;
  /** There may be room for a stream that was not there before. */
  sessionHasRoom(session: Http2BackendSession): void;
  /** It takes no new streams any more; those under way go on. */
  sessionLeaving(session: Http2BackendSession): void;
  /** It is gone. `failure`: why, for who waits for its greeting. */
  sessionGone(session: Http2BackendSession, failure: ProxyFailure): void;
}

type SessionState = 'greeting' | 'open' | 'leaving' | 'closed';

/**
 * One HTTP/2 connection to a backend (RFC 9113), with many streams side by side. Nothing is sent on it before the
 * backend's SETTINGS are there: only then it is known to speak HTTP/2, and how many streams it takes.
 */
export class Http2BackendSession implements SocketUser, OutputOwner {
  readonly scheme: 'http' | 'https';
  readonly output: SessionOutput;
  readonly #runtime: Runtime;
  readonly #owner: SessionOwner;
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  readonly #remote: RemoteSettings = new RemoteSettings('server');
  readonly #ids: StreamIds = new StreamIds('client');
  readonly #guard: FloodGuard;
  readonly #flow: ReceiveFlow = new ReceiveFlow();
  readonly #streams: Map<number, Http2BackendStream> = new Map();
  readonly #greeting: Deadline = new Deadline(() => this.#unanswered());
  #state: SessionState = 'greeting';
  #fed: Http2BackendStream[] = [];
  #readingPaused = false;
  /** Streams that are lent, opened or about to be. */
  active = 0;
  /** Streams lent so far. */
  requests = 0;
  /** Monotonic milliseconds. */
  readonly createdAt: number;
  idleSince: number;

  constructor(runtime: Runtime, owner: SessionOwner, socket: Socket) {
    this.#runtime = runtime;
    this.#owner = owner;
    this.#socket = socket;
    this.scheme = 'encrypted' in socket ? 'https' : 'http';
    this.createdAt = this.idleSince = runtime.now;
    const { headers } = runtime.settings.limits;
    this.#reader = new FrameReader({ role: 'client', maxHeaderBlockSize: Math.max(16_384, headers * BLOCK_FACTOR) });
    this.#decoder = new HpackDecoder(4096, headers);
    this.#guard = new FloodGuard(caps, runtime.now);
    this.output = new SessionOutput(runtime, socket, this);
  }

  /** Sends the preface; the owner hears within `timeout` milliseconds how it went. */
  greet(timeout: number): void {
    const { writer } = this.output;
    writer.preface();
    writer.settings([
      SettingId.ENABLE_PUSH,
      0,
      SettingId.INITIAL_WINDOW_SIZE,
      STREAM_WINDOW,
      SettingId.MAX_HEADER_LIST_SIZE,
      this.#runtime.settings.limits.headers,
    ]);
    writer.windowUpdate(0, this.#flow.enlarge());
    this.output.flushNow();
    this.#runtime.wheel.arm(this.#greeting, timeout, this.#runtime.now);
  }

  // ---- For the pool -----------------------------------------------------------------------------------------

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  get hasRoom(): boolean {
    const { maxConcurrentStreams } = this.#remote.values;
    return this.#state === 'open' && this.active < Math.min(MAX_STREAMS, maxConcurrentStreams);
  }

  /** A stream whose `begin` is called next. */
  lend(): Http2BackendStream {
    this.active++;
    this.requests++;
    return new Http2BackendStream(this.#runtime, this);
  }

  /** No new streams; it ends with the last one under way. */
  retire(): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'open') {
      this.#state = 'leaving';
      this.#owner.sessionLeaving(this);
    }
    if (this.active === 0) this.#end(ErrorCode.NO_ERROR, 'retired');
  }

  // ---- Reading ----------------------------------------------------------------------------------------------

  read(chunk: Buffer, length: number, source: ChunkSource): void {
    const now = this.#runtime.touch();
    this.#runtime.counters.cells[Counter.bytesFromBackends]! += length;
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
    if (this.output.isFull && !this.#readingPaused) {
      this.#readingPaused = true;
      this.#socket.pause();
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
    if (result === 'compressionError') return this.#fail(ErrorCode.COMPRESSION_ERROR, decoder.reason);
    const { streamId, endStream } = reader;
    const stream = this.#live(streamId, FrameType.HEADERS, endStream, now);
    if (stream === undefined) return;
    stream.headers(decoder.fields, decoder.kinds, result === 'ok', endStream);
    this.#feed(stream);
  }

  #data(source: ChunkSource, now: number): void {
    const reader = this.#reader;
    const { streamId, flowLength, endStream } = reader;
    if (flowLength > 0 && !this.#flow.receive(flowLength)) {
      return this.#fail(ErrorCode.FLOW_CONTROL_ERROR, 'connection window exceeded');
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
    const stream = this.#streams.get(id);
    const next = afterReceive(stream?.state ?? this.#ids.stateOf(id), type, endStream);
    if (next < IGNORE && stream !== undefined) return stream;
    if (next === IGNORE) {
      this.#count(FloodKind.ignored, now);
    } else if ((next & STREAM_ERROR) !== 0) {
      const code = transitionError(next) as ErrorCode;
      if (stream !== undefined) stream.invalid('frame on a stream that is closed', code);
      else this.#refuse(id, code);
    } else {
      this.#fail(ErrorCode.PROTOCOL_ERROR, 'frame on a stream that is not open');
    }
    return undefined;
  }

  #refuse(id: number, code: ErrorCode): void {
    this.#ids.closed(id, StreamState.resetLocal);
    this.output.writer.rstStream(id, code);
    this.output.touch();
  }

  #rstStream(now: number): void {
    const { streamId, errorCode } = this.#reader;
    this.#count(FloodKind.resetReceived, now);
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) stream.resetByPeer(errorCode);
    else if (this.#ids.stateOf(streamId) === StreamState.idle) this.#fail(ErrorCode.PROTOCOL_ERROR, 'RST_STREAM on an idle stream');
  }

  #windowUpdate(now: number): void {
    const { streamId, increment } = this.#reader;
    this.#count(FloodKind.windowUpdate, now);
    if (this.isClosed) return;
    if (streamId === 0) {
      if (!this.output.window.grow(increment)) return this.#fail(ErrorCode.FLOW_CONTROL_ERROR, 'window too large');
      return this.output.pump();
    }
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) stream.grown(increment);
    else if (this.#ids.stateOf(streamId) === StreamState.idle) this.#fail(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE on an idle stream');
  }

  #settings(now: number): void {
    const reader = this.#reader;
    const remote = this.#remote;
    this.#count(FloodKind.settings, now);
    if (this.isClosed) return;
    const code = remote.receive(reader.buffer, reader.start, reader.end);
    if (code !== ErrorCode.NO_ERROR) return this.#fail(code as ErrorCode, 'bad setting');
    const { writer } = this.output;
    if (remote.lowestHeaderTableSize >= 0) {
      writer.hpack.setPeerTableSize(remote.lowestHeaderTableSize);
      writer.hpack.setPeerTableSize(remote.values.headerTableSize);
    }
    for (const stream of this.#streams.values()) {
      if (!stream.sendWindow.grow(remote.initialWindowDelta)) return this.#fail(ErrorCode.FLOW_CONTROL_ERROR, 'window too large');
    }
    writer.settingsAck();
    this.output.touch();
    if (remote.initialWindowDelta > 0) this.output.pump();
    if (this.#state === 'greeting') {
      this.#state = 'open';
      this.#runtime.wheel.remove(this.#greeting);
      this.#owner.sessionReady(this);
    } else {
      this.#owner.sessionHasRoom(this);
    }
  }

  /** No new streams; those that the backend never looked at go elsewhere (RFC 9113 §6.8). */
  #goaway(): void {
    const { lastStreamId, errorCode } = this.#reader;
    const detail = `GOAWAY: ${errorName(errorCode)}`;
    if (this.#state === 'greeting') return this.#end(ErrorCode.NO_ERROR, detail);
    if (this.#state === 'open') {
      this.#state = 'leaving';
      this.#owner.sessionLeaving(this);
    }
    for (const stream of [...this.#streams.values()]) {
      if (stream.id > lastStreamId) stream.lost(detail, true);
    }
    if (this.active === 0) this.#end(ErrorCode.NO_ERROR, detail);
  }

  #wrong(now: number): void {
    const error = this.#reader.error!;
    if (error.scope === 'connection') return this.#fail(error.code as ErrorCode, error.message);
    const stream = this.#streams.get(error.streamId);
    if (stream !== undefined) return stream.invalid(error.message, error.code as ErrorCode);
    this.#count(FloodKind.ignored, now);
  }

  #count(kind: FloodKind, now: number): void {
    if (this.#guard.count(kind, now)) this.#fail(ErrorCode.ENHANCE_YOUR_CALM, 'too many frames of a kind');
  }

  // ---- For streams ------------------------------------------------------------------------------------------

  /** Gives a stream its identifier and its window. */
  opened(stream: Http2BackendStream): void {
    stream.id = this.#ids.open();
    stream.sendWindow.available = this.#remote.values.initialWindowSize;
    this.#streams.set(stream.id, stream);
    // Few are left of 2^30: another connection for the next ones, long before they run out.
    if (stream.id > 2_000_000_000) this.retire();
  }

  /** The stream is over, and its place free. */
  finished(stream: Http2BackendStream): void {
    this.active--;
    if (stream.id !== 0) {
      this.#streams.delete(stream.id);
      this.#ids.closed(stream.id, stream.state);
      this.output.unblock(stream);
    }
    if (this.active === 0) {
      this.idleSince = this.#runtime.now;
      if (this.#state === 'leaving') return this.#end(ErrorCode.NO_ERROR, 'the last stream ended');
    }
    if (this.#state === 'open') this.#owner.sessionHasRoom(this);
  }

  /** Octets were used up. */
  released(octets: number): void {
    this.#update(octets === 0 ? 0 : this.#flow.release(octets));
  }

  /** Octets are kept for a slow client. */
  withheld(octets: number): void {
    this.#update(this.#flow.withhold(octets));
  }

  letGo(octets: number): void {
    this.#update(octets === 0 ? 0 : this.#flow.letGo(octets));
  }

  #update(increment: number): void {
    if (increment === 0 || this.isClosed) return;
    this.output.writer.windowUpdate(0, increment);
    this.output.touch();
  }

  dataSent(octets: number): void {
    this.#runtime.counters.cells[Counter.bytesToBackends]! += octets;
    this.#guard.dataSent(Math.ceil(octets / this.output.writer.maxFrameSize));
  }

  // ---- OutputOwner, SocketUser ------------------------------------------------------------------------------

  turnEnding(): void {}

  outputTaken(): void {
    if (!this.#readingPaused || this.output.isFull) return;
    this.#readingPaused = false;
    this.#socket.resume();
  }

  outputStalled(): void {
    this.#lost('nothing of what was sent was taken');
  }

  /** Writes are accounted for one by one, as the output is told of each. */
  drained(): void {}

  ended(): void {
    this.#runtime.touch();
    this.#lost('end of stream');
  }

  closed(error: Error | undefined): void {
    this.#runtime.touch();
    this.#lost(error?.message ?? 'connection closed');
  }

  // ---- The end ----------------------------------------------------------------------------------------------

  #unanswered(): void {
    this.#close(new ProxyFailure('CONNECT_TIMEOUT', 'no SETTINGS in time'));
  }

  /** A connection error (RFC 9113 §5.4.1). */
  #fail(code: ErrorCode, detail: string): void {
    this.#runtime.log.info({ code: errorName(code), detail }, 'an HTTP/2 connection to a backend was ended');
    this.#end(code, detail);
  }

  #end(code: ErrorCode, detail: string): void {
    if (this.isClosed) return;
    // Servers open no streams: there is none that we could have worked on.
    this.output.writer.goaway(0, code);
    this.output.flushNow();
    this.#close(new ProxyFailure('BACKEND_REFUSED', detail));
  }

  #lost(detail: string): void {
    this.#close(new ProxyFailure('BACKEND_REFUSED', detail));
  }

  #close(failure: ProxyFailure): void {
    if (this.isClosed) return;
    this.#state = 'closed';
    this.#fed.length = 0;
    this.#runtime.wheel.remove(this.#greeting);
    // Before the streams: who repeats a request must not be given this connection again.
    this.#owner.sessionGone(this, failure);
    for (const stream of [...this.#streams.values()]) stream.lost(failure.detail, false);
    this.output.close();
    this.#socket.destroySoon();
  }
}
