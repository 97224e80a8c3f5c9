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
  checkRequestFields,
  checkTrailerFields,
  errorName,
  transitionError,
  type FloodLimits,
  type RequestHead,
} from '@rp/parser';
import type { ClientPeer } from '../client/peer.ts';
import type { ByteReader } from '../client-socket.ts';
import { ProxyFailure } from '../failure.ts';
import type { ChunkSource } from '../read-buffers.ts';
import type { Runtime } from '../runtime.ts';
import { BLOCK_FACTOR, MAX_STREAMS, SETTINGS_TIMEOUT } from './bounds.ts';
import type { Deadline } from './deadline.ts';
import { refusalOf, requestHeadOf } from './request-head.ts';
import { RequestMemo } from './request-memo.ts';
import { SessionLife } from './session-life.ts';
import type { StreamPool } from './stream-pool.ts';
import type { Http2Stream } from './stream.ts';

/**
 * One HTTP/2 client connection (RFC 9113): reads frames, keeps the streams, answers what concerns the connection as a
 * whole. What a stream does with a request is `Http2Stream`'s business.
 */
export class Http2Session extends SessionLife implements ByteReader {
  readonly #reader: FrameReader;
  readonly #decoder: HpackDecoder;
  readonly #requests: RequestMemo = new RequestMemo();
  /** Streams whose requests got a piece in this read. */
  readonly #fed: Http2Stream[] = [];

  constructor(
    runtime: Runtime,
    peer: ClientPeer,
    pool: StreamPool,
    onClose: (session: Http2Session) => void,
    caps?: FloodLimits,
  ) {
    super(runtime, peer, pool, (session) => onClose(session as Http2Session), caps);
    const { headers } = runtime.settings.limits;
    this.#reader = new FrameReader({
      role: 'server',
      maxHeaderBlockSize: Math.max(16_384, headers * BLOCK_FACTOR),
    });
    this.#decoder = new HpackDecoder(4096, headers);
  }

  // ---- Reading ---------------------------------------------------------------------------------------------------

  read(chunk: Buffer, length: number, source: ChunkSource): void {
    const now = this.runtime.touch();
    if (this.state === 'closing') return this.discard(length);
    const reader = this.#reader;
    reader.feed(chunk, 0, length);
    for (let event = reader.next(); event !== FrameEvent.none; event = reader.next()) {
      this.#frame(event, source, now);
      if (this.closing) return;
    }
    const fed = this.#fed;
    for (let i = 0; i < fed.length; i++) fed[i]!.exchange.flushRequest();
    fed.length = 0;
    if (reader.heldBytes > 0) this.#await(this.partial);
    else this.runtime.wheel.disarm(this.partial);
    if (this.output.isFull) this.pauseReading();
  }

  /** The first read that leaves something incomplete counts: more of the same does not give more time. */
  #await(deadline: Deadline): void {
    const { wheel, settings, now } = this.runtime;
    if (deadline.deadline === Infinity) wheel.arm(deadline, settings.timeouts.header, now);
  }

  #frame(event: FrameEvent, source: ChunkSource, now: number): void {
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
        this.acked = true;
        this.runtime.wheel.disarm(this.acknowledged);
        return this.#count(FloodKind.settings, now);
      case FrameEvent.ping:
        this.output.writer.ping(this.#reader.buffer, this.#reader.start, true);
        this.output.touch();
        return this.#count(FloodKind.ping, now);
      case FrameEvent.pingAck:
        return this.#count(FloodKind.ping, now);
      case FrameEvent.goaway:
        return this.#goaway();
      case FrameEvent.priority:
        return this.#count(FloodKind.priority, now);
      case FrameEvent.unknown:
        return this.#count(
          this.#reader.frameType === FrameType.PRIORITY_UPDATE ? FloodKind.priority : FloodKind.ignored,
          now,
        );
      case FrameEvent.error:
        return this.#wrong(now);
      default:
        return;
    }
  }

  #headers(now: number): void {
    const reader = this.#reader;
    const decoder = this.#decoder;
    const id = reader.streamId;
    const { buffer, start, end, endStream } = reader;
    const stream = this.streams.get(id);
    const { version } = decoder;
    const { limits } = this.runtime.settings;
    let known: RequestHead | undefined = undefined;
    if (stream === undefined) known = this.#requests.recall(buffer, start, end, version, endStream, limits);
    // Always decoded: the tables must stay in step, whatever becomes of the stream (RFC 9113 §4.3). What is known by
    // heart would not change them.
    const result = known === undefined ? decoder.decode(buffer, start, end) : 'ok';
    if (result === 'compressionError') return this.fail(ErrorCode.COMPRESSION_ERROR, decoder.reason);
    if (stream !== undefined) return this.#trailers(stream, result === 'ok', now);
    const state = this.ids.stateOf(id);
    if (state !== StreamState.idle) return this.#stray(id, state, FrameType.HEADERS, endStream, now);
    if (!this.ids.accept(id)) return this.fail(ErrorCode.PROTOCOL_ERROR, 'bad stream identifier');
    // After the last GOAWAY new streams are ignored (RFC 9113 §6.8).
    if (this.state !== 'open') return this.ids.closed(id, StreamState.resetLocal);
    if (reader.selfDependent) return this.#refuse(id, ErrorCode.PROTOCOL_ERROR, now);
    if (this.streams.size + this.ended.length >= MAX_STREAMS)
      return this.#refuse(id, ErrorCode.REFUSED_STREAM, now);
    if (result === 'tooLarge') {
      return this.#begin(id, endStream).refuse(new ProxyFailure('FIELDS_TOO_LARGE', decoder.reason));
    }
    if (known !== undefined) this.#serve(this.#begin(id, endStream), known, '', endStream);
    else this.#request(id, endStream, now, version);
  }

  /** `version`: of the decoder's table before the block. */
  #request(id: number, endStream: boolean, now: number, version: number): void {
    const { fields, kinds } = this.#decoder;
    const request = checkRequestFields(fields, kinds, true);
    const mismatch = endStream && request.contentLength > 0;
    if (request.malformed !== '' || mismatch) return this.#refuse(id, ErrorCode.PROTOCOL_ERROR, now);
    const head = requestHeadOf(fields, request, endStream);
    const stream = this.#begin(id, endStream);
    const { limits } = this.runtime.settings;
    const refusal = refusalOf(head, request.scheme, limits);
    if (refusal !== undefined) return stream.refuse(refusal, head);
    const { buffer, start, end } = this.#reader;
    if (version === this.#decoder.version && request.protocol === '') {
      this.#requests.saw(buffer, start, end, version, endStream, limits, head);
    }
    this.#serve(stream, head, request.protocol, endStream);
  }

  #serve(stream: Http2Stream, head: RequestHead, protocol: string, endStream: boolean): void {
    stream.start(head, protocol);
    if (!endStream) this.#fed.push(stream);
  }

  #begin(id: number, endStream: boolean): Http2Stream {
    const stream = this.pool.take();
    this.lastServed = id;
    this.runtime.wheel.disarm(this.quiet);
    stream.open(this, id, this.remote.values.initialWindowSize, endStream);
    this.began(stream);
    return stream;
  }

  /** A stream that is reset before it begins. */
  #refuse(id: number, code: ErrorCode, now: number): void {
    this.ids.closed(id, StreamState.resetLocal);
    this.output.writer.rstStream(id, code);
    this.output.touch();
    this.#count(FloodKind.resetCaused, now);
  }

  #trailers(stream: Http2Stream, complete: boolean, now: number): void {
    const reader = this.#reader;
    const next = afterReceive(stream.state, FrameType.HEADERS, reader.endStream);
    if (next >= IGNORE) return this.#mistake(stream, next, now);
    const { fields, kinds } = this.#decoder;
    // A second head, or trailers that do not end the stream, are malformed (RFC 9113 §8.1).
    const valid = complete && reader.endStream && checkTrailerFields(fields, kinds) === '';
    const code = valid ? stream.requestTrailers(fields) : ErrorCode.PROTOCOL_ERROR;
    if (code !== 0) this.#reset(stream, code, now);
  }

  #data(source: ChunkSource, now: number): void {
    const reader = this.#reader;
    const { streamId, flowLength, endStream } = reader;
    if (flowLength > 0 && !this.flow.receive(flowLength)) {
      return this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'connection window exceeded');
    }
    if (reader.start === reader.end && !endStream) {
      this.#count(FloodKind.emptyFrame, now);
      if (this.closing) return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.released(flowLength);
      return this.#stray(streamId, this.ids.stateOf(streamId), FrameType.DATA, endStream, now);
    }
    const next = afterReceive(stream.state, FrameType.DATA, endStream);
    if (next >= IGNORE) {
      this.released(flowLength);
      return this.#mistake(stream, next, now);
    }
    const code = stream.data(reader.buffer, reader.start, reader.end, flowLength, endStream, source);
    if (code === 0) {
      this.#fed.push(stream);
    } else {
      this.released(flowLength);
      this.#reset(stream, code, now);
    }
  }

  /** A frame on a stream that is not open any more, or not yet (RFC 9113 §5.1). */
  #stray(id: number, state: StreamState, type: number, endStream: boolean, now: number): void {
    const next = afterReceive(state, type, endStream);
    if (next === IGNORE) return this.#count(FloodKind.ignored, now);
    const code = transitionError(next) as ErrorCode;
    if ((next & STREAM_ERROR) === 0) return this.fail(code, 'frame on a stream that is not open');
    this.#refuse(id, code, now);
  }

  /** A frame that a live stream must not get. */
  #mistake(stream: Http2Stream, next: number, now: number): void {
    if (next === IGNORE) return this.#count(FloodKind.ignored, now);
    const code = transitionError(next) as ErrorCode;
    if ((next & STREAM_ERROR) === 0) return this.fail(code, 'frame on a stream that is not open');
    this.#reset(stream, code, now);
  }

  /** The client's mistake costs it the stream (RFC 9113 §5.4.2). */
  #reset(stream: Http2Stream, code: number, now: number): void {
    stream.reset(code, new ProxyFailure('CLIENT_GONE', `stream error ${errorName(code)}`));
    this.#count(FloodKind.resetCaused, now);
  }

  #rstStream(now: number): void {
    const { streamId, errorCode } = this.#reader;
    this.#count(FloodKind.resetReceived, now);
    if (this.closing) return;
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.ids.stateOf(streamId) === StreamState.idle)
        this.fail(ErrorCode.PROTOCOL_ERROR, 'RST_STREAM on an idle stream');
      return;
    }
    stream.gone(
      StreamState.resetRemote,
      new ProxyFailure('CLIENT_GONE', `stream reset: ${errorName(errorCode)}`),
    );
  }

  #windowUpdate(now: number): void {
    const { streamId, increment } = this.#reader;
    this.#count(FloodKind.windowUpdate, now);
    if (this.closing) return;
    if (streamId === 0) {
      if (!this.output.window.grow(increment))
        return this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'window too large');
      return this.output.pump();
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.ids.stateOf(streamId) === StreamState.idle)
        this.fail(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE on an idle stream');
      return;
    }
    if (!stream.sendWindow.grow(increment)) return this.#reset(stream, ErrorCode.FLOW_CONTROL_ERROR, now);
    if (stream.waiting > 0) this.output.pump();
  }

  #settings(now: number): void {
    const reader = this.#reader;
    const remote = this.remote;
    this.#count(FloodKind.settings, now);
    if (this.closing) return;
    const code = remote.receive(reader.buffer, reader.start, reader.end);
    if (code !== ErrorCode.NO_ERROR) return this.fail(code as ErrorCode, 'bad setting');
    const { hpack } = this.output.writer;
    if (remote.lowestHeaderTableSize >= 0) {
      hpack.setPeerTableSize(remote.lowestHeaderTableSize);
      hpack.setPeerTableSize(remote.values.headerTableSize);
    }
    for (const stream of this.streams.values()) {
      if (!stream.sendWindow.grow(remote.initialWindowDelta))
        return this.fail(ErrorCode.FLOW_CONTROL_ERROR, 'window too large');
    }
    this.output.writer.settingsAck();
    this.output.touch();
    if (remote.initialWindowDelta > 0) this.output.pump();
    if (!this.settled) {
      this.settled = true;
      if (!this.acked) this.runtime.wheel.arm(this.acknowledged, SETTINGS_TIMEOUT, now);
      if (this.streams.size === 0)
        this.runtime.wheel.arm(this.quiet, this.runtime.settings.timeouts.idle, now);
    }
  }

  /** The client opens no more streams: the connection ends with the last one. */
  #goaway(): void {
    this.leave();
  }

  #wrong(now: number): void {
    const error = this.#reader.error!;
    if (error.scope === 'connection') return this.fail(error.code as ErrorCode, error.message);
    const stream = this.streams.get(error.streamId);
    if (stream !== undefined) return this.#reset(stream, error.code, now);
    if (this.ids.stateOf(error.streamId) !== StreamState.idle) return this.#count(FloodKind.ignored, now);
    this.fail(error.code as ErrorCode, error.message);
  }

  #count(kind: FloodKind, now: number): void {
    if (this.guard.count(kind, now)) this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'too many frames of a kind');
  }
}
