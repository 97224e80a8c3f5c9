import {
  afterData,
  afterHeaders,
  afterReceive,
  afterSend,
  checkRequestFields,
  checkTrailerFields,
  CONNECTION_ERROR,
  ErrorCode,
  errorName,
  fitsContentLength,
  FloodGuard,
  FloodKind,
  floodLimits,
  FrameEvent,
  FrameReader,
  FrameType,
  FrameWriter,
  HpackDecoder,
  IGNORE,
  LocalSettings,
  ReceiveWindow,
  RemoteSettings,
  SendWindow,
  STREAM_ERROR,
  StreamIds,
  StreamState,
  transitionError,
} from '../../src/http2/index.ts';
import type { FloodLimits, MessagePhase, RequestFields } from '../../src/http2/index.ts';

class Stream {
  state: StreamState = StreamState.idle;
  phase: MessagePhase = 'head';
  received = 0;
  request: RequestFields | null = null;
  fields: string[] = [];
  readonly send: SendWindow;
  readonly receive: ReceiveWindow;

  constructor(sendSize: number, receiveSize: number) {
    this.send = new SendWindow(sendSize);
    this.receive = new ReceiveWindow(receiveSize);
  }
}

/**
 * The smallest session that obeys RFC 9113 with the codec's parts: what belongs to the whole of a
 * connection is tested with it. Notes what it does to the peer in `reactions`.
 */
export class MiniServer {
  readonly reactions: string[] = [];
  readonly streams: Map<number, Stream> = new Map();
  readonly reader: FrameReader;
  readonly writer: FrameWriter = new FrameWriter();
  readonly remote: RemoteSettings = new RemoteSettings('client');
  readonly local: LocalSettings = new LocalSettings('server');
  readonly ids: StreamIds = new StreamIds('server');
  readonly sendWindow: SendWindow = new SendWindow(65_535);
  readonly receiveWindow: ReceiveWindow = new ReceiveWindow(65_535);
  readonly #decoder: HpackDecoder;
  readonly #flood: FloodGuard;
  readonly #maxStreams: number;
  /** Fields of the answer to a request. */
  answerFields: (fields: readonly string[]) => readonly string[] = () => [];
  #now = 0;
  dead = false;

  constructor(options: { maxStreams?: number; maxHeaderListSize?: number; flood?: FloodLimits } = {}) {
    this.reader = new FrameReader({ role: 'server' });
    this.#decoder = new HpackDecoder(4096, options.maxHeaderListSize);
    this.#flood = new FloodGuard(floodLimits(options.flood), 0);
    this.#maxStreams = options.maxStreams ?? 100;
    this.writer.settings([]);
    this.local.sent([]);
  }

  feed(chunk: Buffer, now: number = this.#now): void {
    this.#now = now;
    this.reader.feed(chunk, 0, chunk.length);
    for (let event = this.reader.next(); event !== FrameEvent.none; event = this.reader.next()) {
      if (this.dead) return;
      this.#handle(event);
    }
  }

  #handle(event: FrameEvent): void {
    const { reader } = this;
    switch (event) {
      case FrameEvent.data:
        return this.#data();
      case FrameEvent.headers:
        return this.#headers();
      case FrameEvent.settings:
        return this.#settings();
      case FrameEvent.settingsAck: {
        const error = this.local.acknowledged();
        if (error !== ErrorCode.NO_ERROR) this.#goaway(error);
        return;
      }
      case FrameEvent.ping:
        this.#count(FloodKind.ping);
        if (this.dead) return;
        this.writer.ping(reader.buffer, reader.start, true);
        this.reactions.push('PING ACK');
        return;
      case FrameEvent.windowUpdate:
        return this.#windowUpdate();
      case FrameEvent.rstStream:
        this.#count(FloodKind.resetReceived);
        this.#transition(reader.streamId, FrameType.RST_STREAM, false);
        return;
      case FrameEvent.priority:
        return this.#count(FloodKind.priority);
      case FrameEvent.unknown:
        return this.#count(FloodKind.ignored);
      case FrameEvent.error: {
        const error = reader.error;
        if (error?.scope === 'stream') this.#streamError(error.streamId, error.code);
        else this.#goaway(error?.code ?? 0);
        return;
      }
      default:
        return;
    }
  }

  #settings(): void {
    const { reader, remote } = this;
    this.#count(FloodKind.settings);
    if (this.dead) return;
    const error = remote.receive(reader.buffer, reader.start, reader.end);
    if (error !== ErrorCode.NO_ERROR) return this.#goaway(error);
    for (const stream of this.streams.values()) {
      if (!stream.send.grow(remote.initialWindowDelta)) return this.#goaway(ErrorCode.FLOW_CONTROL_ERROR);
    }
    if (remote.lowestHeaderTableSize >= 0) {
      this.writer.hpack.setPeerTableSize(remote.lowestHeaderTableSize);
      this.writer.hpack.setPeerTableSize(remote.values.headerTableSize);
    }
    this.writer.maxFrameSize = remote.values.maxFrameSize;
    this.writer.settingsAck();
    this.reactions.push('SETTINGS ACK');
  }

  #windowUpdate(): void {
    const { streamId, increment } = this.reader;
    this.#count(FloodKind.windowUpdate);
    if (streamId === 0) {
      if (!this.sendWindow.grow(increment)) this.#goaway(ErrorCode.FLOW_CONTROL_ERROR);
      return;
    }
    if (!this.#transition(streamId, FrameType.WINDOW_UPDATE, false)) return;
    const stream = this.streams.get(streamId);
    if (stream !== undefined && !stream.send.grow(increment)) {
      this.#streamError(streamId, ErrorCode.FLOW_CONTROL_ERROR);
    }
  }

  #headers(): void {
    const { reader } = this;
    const { streamId, endStream } = reader;
    const result = this.#decoder.decode(reader.buffer, reader.start, reader.end);
    if (result === 'compressionError') return this.#goaway(ErrorCode.COMPRESSION_ERROR);
    let stream = this.streams.get(streamId);
    const isNew = stream === undefined && this.ids.stateOf(streamId) === StreamState.idle;
    if (isNew) {
      if (!this.ids.accept(streamId)) return this.#goaway(ErrorCode.PROTOCOL_ERROR);
      stream = new Stream(this.remote.values.initialWindowSize, this.local.values.initialWindowSize);
      this.streams.set(streamId, stream);
    }
    if (!this.#transition(streamId, FrameType.HEADERS, endStream) || stream === undefined) return;
    if (isNew && this.streams.size > this.#maxStreams) {
      return this.#streamError(streamId, ErrorCode.REFUSED_STREAM);
    }
    const phase = afterHeaders(stream.phase, endStream, false);
    if (phase === 'malformed' || reader.selfDependent) {
      return this.#streamError(streamId, ErrorCode.PROTOCOL_ERROR);
    }
    if (isNew) {
      if (result === 'tooLarge') return this.#answer(streamId, 431);
      stream.fields = this.#decoder.fields;
      stream.request = checkRequestFields(stream.fields, this.#decoder.kinds);
      if (stream.request.malformed !== '') return this.#streamError(streamId, ErrorCode.PROTOCOL_ERROR);
    } else if (checkTrailerFields(this.#decoder.fields, this.#decoder.kinds) !== '') {
      return this.#streamError(streamId, ErrorCode.PROTOCOL_ERROR);
    }
    stream.phase = phase;
    this.#progress(streamId, stream);
  }

  #data(): void {
    const { reader } = this;
    const { streamId, flowLength } = reader;
    const length = reader.end - reader.start;
    if (flowLength === 0 && length === 0 && !reader.endStream) this.#count(FloodKind.emptyFrame);
    if (!this.receiveWindow.receive(flowLength)) return this.#goaway(ErrorCode.FLOW_CONTROL_ERROR);
    const increment = this.receiveWindow.release(length + reader.paddingLength);
    if (increment > 0) this.writer.windowUpdate(0, increment);
    const stream = this.streams.get(streamId);
    if (!this.#transition(streamId, FrameType.DATA, reader.endStream) || stream === undefined) return;
    if (!stream.receive.receive(flowLength)) {
      return this.#streamError(streamId, ErrorCode.FLOW_CONTROL_ERROR);
    }
    const phase = afterData(stream.phase, reader.endStream);
    if (phase === 'malformed') return this.#streamError(streamId, ErrorCode.PROTOCOL_ERROR);
    stream.phase = phase;
    stream.received += length;
    const give = stream.receive.release(length + reader.paddingLength);
    if (give > 0 && !reader.endStream) this.writer.windowUpdate(streamId, give);
    this.#progress(streamId, stream);
  }

  #progress(streamId: number, stream: Stream): void {
    const ended = stream.phase === 'done';
    if (!fitsContentLength(stream.request?.contentLength ?? -1, stream.received, ended)) {
      this.#streamError(streamId, ErrorCode.PROTOCOL_ERROR);
    } else if (ended) {
      this.#answer(streamId, 200);
    }
  }

  /** Answers without content, which ends our side. */
  #answer(streamId: number, status: number): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) return;
    this.writer.beginHeaders(streamId);
    this.writer.status(status);
    const fields = this.answerFields(stream.fields);
    for (let index = 0; index < fields.length; index += 2) {
      this.writer.field(fields[index] as string, fields[index + 1] as string);
    }
    this.writer.endHeaders(true);
    this.reactions.push(`${status} on ${streamId}`);
    stream.state = afterSend(stream.state, FrameType.HEADERS, true) as StreamState;
    this.#closeIfDone(streamId, stream);
  }

  /** Applies a received frame to its stream; false if there is nothing to do any more. */
  #transition(streamId: number, type: number, endStream: boolean): boolean {
    const stream = this.streams.get(streamId);
    const transition = afterReceive(stream?.state ?? this.ids.stateOf(streamId), type, endStream);
    if (transition === IGNORE) {
      this.#count(FloodKind.ignored);
      return false;
    }
    if ((transition & CONNECTION_ERROR) !== 0) {
      this.#goaway(transitionError(transition));
      return false;
    }
    if ((transition & STREAM_ERROR) !== 0) {
      this.#streamError(streamId, transitionError(transition));
      return false;
    }
    if (stream === undefined) return false;
    stream.state = transition as StreamState;
    this.#closeIfDone(streamId, stream);
    return true;
  }

  #closeIfDone(streamId: number, stream: Stream): void {
    if (stream.state < StreamState.closed) return;
    this.ids.closed(streamId, stream.state);
    this.streams.delete(streamId);
  }

  #streamError(streamId: number, code: number): void {
    this.reactions.push(`RST_STREAM ${streamId} ${errorName(code)}`);
    this.writer.rstStream(streamId, code);
    if (this.streams.delete(streamId)) this.ids.closed(streamId, StreamState.resetLocal);
    this.#count(FloodKind.resetCaused);
  }

  #count(kind: FloodKind): void {
    if (this.#flood.count(kind, this.#now)) this.#goaway(ErrorCode.ENHANCE_YOUR_CALM);
  }

  #goaway(code: number): void {
    if (this.dead) return;
    this.dead = true;
    this.reactions.push(`GOAWAY ${errorName(code)}`);
    this.writer.goaway(this.ids.lastPeerId, code);
  }
}
