import {
  ErrorCode,
  FloodGuard,
  MAX_STREAM_ID,
  RemoteSettings,
  StreamIds,
  StreamState,
  errorName,
  floodLimits,
  type FloodLimits,
} from '@rp/parser';
import type { Socket } from 'node:net';
import { LINGER, MAX_LINGER_BYTES } from '../client/bounds.ts';
import type { ClientPeer } from '../client/peer.ts';
import type { ReadableClient } from '../client-socket.ts';
import { ConnectionState, ConnectionStateMachine } from '../connection-state.ts';
import { Counter } from '../counters.ts';
import { ProxyFailure } from '../failure.ts';
import type { Runtime } from '../runtime.ts';
import { Deadline } from './deadline.ts';
import { explainedUpdates } from './explained-updates.ts';
import { ownSettings } from './own-settings.ts';
import { SessionOutput, type OutputOwner } from './output.ts';
import { ReceiveFlow } from './receive-flow.ts';
import type { StreamPool } from './stream-pool.ts';
import type { Http2Stream } from './stream.ts';

const { idle, multiplexing } = ConnectionState;

const defaultFloodCaps: Float64Array = floodLimits();

/** `open`; `leaving`: the last GOAWAY is sent, streams end; `closing`: nothing that arrives counts any more. */
type SessionState = 'open' | 'leaving' | 'closing';

/** The life of a session from its first SETTINGS to its last GOAWAY, and what its streams share: slots, windows, output. */
export abstract class SessionLife implements OutputOwner {
  protected readonly runtime: Runtime;
  readonly peer: ClientPeer;
  protected readonly pool: StreamPool;
  readonly #onClose: (session: SessionLife) => void;
  protected readonly remote: RemoteSettings = new RemoteSettings('client');
  protected readonly ids: StreamIds = new StreamIds('server');
  protected readonly guard: FloodGuard;
  protected readonly streams: Map<number, Http2Stream> = new Map();
  readonly flow: ReceiveFlow = new ReceiveFlow();
  output: SessionOutput = undefined as unknown as SessionOutput;
  #socket: Socket = undefined as unknown as Socket;

  protected state: SessionState = 'open';
  /** The connection as the statistics know it. */
  readonly #connection: ConnectionStateMachine;
  /** Streams that ended in this turn: they hold their slots until it is over. */
  protected readonly ended: Http2Stream[] = [];
  /** The last stream that we began to serve: what GOAWAY says. */
  protected lastServed = 0;
  /** The client's first SETTINGS came, and its acknowledgement of ours. */
  protected settled = false;
  protected acked = false;
  #readingPaused = false;
  #lingered = 0;
  protected readonly quiet: Deadline = new Deadline(() => this.#quietTooLong());
  readonly #farewell: Deadline = new Deadline(() => this.leave());
  protected readonly acknowledged: Deadline = new Deadline(() =>
    this.fail(ErrorCode.SETTINGS_TIMEOUT, 'SETTINGS not acknowledged'),
  );
  protected readonly partial: Deadline = new Deadline(() =>
    this.fail(ErrorCode.ENHANCE_YOUR_CALM, 'frame not complete in time'),
  );

  constructor(
    runtime: Runtime,
    peer: ClientPeer,
    pool: StreamPool,
    onClose: (session: SessionLife) => void,
    caps: FloodLimits | undefined,
  ) {
    this.runtime = runtime;
    this.peer = peer;
    this.pool = pool;
    this.#onClose = onClose;
    this.#connection = new ConnectionStateMachine(runtime.counters);
    this.guard = new FloodGuard(caps === undefined ? defaultFloodCaps : floodLimits(caps), runtime.now);
  }

  /** The socket to write to, once reading is set up on it. */
  open(client: ReadableClient): void {
    const { wheel, settings, counters } = this.runtime;
    const now = this.runtime.touch();
    const { socket } = client;
    this.#socket = socket;
    this.output = new SessionOutput(this.runtime, socket, this);
    counters.cells[Counter.http2Connections]!++;
    counters.cells[Counter.http2ConnectionsNow]!++;
    socket.on('error', (error) => this.#lost(new ProxyFailure('CLIENT_GONE', error.message, error)));
    socket.on('end', () => this.#lost(new ProxyFailure('CLIENT_GONE', 'end of stream')));
    socket.on('close', () => this.#closed());
    const { writer } = this.output;
    writer.settings(ownSettings(settings.limits.headers));
    writer.windowUpdate(0, this.flow.enlarge());
    this.output.touch();
    wheel.arm(this.quiet, settings.timeouts.header, now);
  }

  get socket(): Socket {
    return this.#socket;
  }

  get address(): string {
    return this.peer.address;
  }

  get isIdle(): boolean {
    return this.streams.size === 0;
  }

  /** Asked through a getter: the state changes under the reading loop's feet. */
  protected get closing(): boolean {
    return this.state === 'closing';
  }

  // ---- For streams -------------------------------------------------------------------------------------------------

  /** Octets of request bodies were used up. */
  released(octets: number): void {
    this.#update(octets === 0 ? 0 : this.flow.release(octets));
  }

  /** Octets of a request body are kept for a slow backend. */
  withheld(octets: number): void {
    this.#update(this.flow.withhold(octets));
  }

  /** Octets of a request body are kept no more. */
  letGo(octets: number): void {
    this.#update(octets === 0 ? 0 : this.flow.letGo(octets));
  }

  #update(increment: number): void {
    if (increment === 0) return;
    this.output.writer.windowUpdate(0, increment);
    this.output.touch();
  }

  /** @param left of the window that is smaller now */
  dataSent(octets: number, left: number): void {
    this.guard.dataSent(explainedUpdates(octets, left, this.output.writer.maxFrameSize));
  }

  /** `stream` begins. */
  protected began(stream: Http2Stream): void {
    const { cells } = this.runtime.counters;
    cells[Counter.http2Streams]!++;
    cells[Counter.http2StreamsNow]!++;
    this.streams.set(stream.id, stream);
    if (this.streams.size === 1) this.#connection.go(multiplexing);
  }

  /** Nobody needs `stream` any more; its slot is free when the turn is over. */
  closed(stream: Http2Stream): void {
    this.streams.delete(stream.id);
    this.runtime.counters.cells[Counter.http2StreamsNow]!--;
    if (this.streams.size === 0 && !this.closing) this.#connection.go(idle);
    this.ids.closed(stream.id, stream.state);
    this.output.unblock(stream);
    this.ended.push(stream);
    this.output.touch();
  }

  // ---- OutputOwner -------------------------------------------------------------------------------------------------

  turnEnding(): void {
    const ended = this.ended;
    if (ended.length === 0) return;
    for (let i = 0; i < ended.length; i++) this.pool.give(ended[i]!);
    ended.length = 0;
    if (this.streams.size > 0 || this.closing) return;
    if (this.state === 'leaving') return this.#end(ErrorCode.NO_ERROR, '');
    this.runtime.wheel.arm(this.quiet, this.runtime.settings.timeouts.idle, this.runtime.now);
  }

  outputTaken(): void {
    if (!this.#readingPaused || this.output.isFull) return;
    this.#readingPaused = false;
    this.#socket.resume();
  }

  outputStalled(): void {
    const failure = new ProxyFailure('CLIENT_STALLED', 'nothing of what was sent was taken');
    this.runtime.counters.failed(failure.code);
    this.terminate(failure);
  }

  protected pauseReading(): void {
    if (this.#readingPaused) return;
    this.#readingPaused = true;
    this.#socket.pause();
  }

  // ---- The end -----------------------------------------------------------------------------------------------------

  /** Shutting down: first a GOAWAY that promises nothing, so that streams under way still arrive, then the real one. */
  drain(grace: number): void {
    if (this.state !== 'open') return;
    this.output.writer.goaway(MAX_STREAM_ID, ErrorCode.NO_ERROR);
    this.output.touch();
    this.runtime.wheel.arm(this.#farewell, grace, this.runtime.touch());
  }

  /** Ends now, whatever is under way. */
  terminate(failure: ProxyFailure): void {
    this.#abandon(failure);
    this.#socket.destroy();
  }

  #quietTooLong(): void {
    if (this.state === 'closing') return void this.#socket.destroy();
    if (!this.settled) return this.fail(ErrorCode.PROTOCOL_ERROR, 'no SETTINGS in time');
    this.#end(ErrorCode.NO_ERROR, '');
  }

  /** No new streams; the connection ends with the last one (RFC 9113 §6.8). */
  protected leave(): void {
    if (this.state !== 'open') return;
    this.state = 'leaving';
    if (this.streams.size === 0) return this.#end(ErrorCode.NO_ERROR, '');
    this.output.writer.goaway(this.lastServed, ErrorCode.NO_ERROR);
    this.output.touch();
  }

  /** A connection error (RFC 9113 §5.4.1). */
  protected fail(code: ErrorCode, detail: string): void {
    if (this.closing) return;
    this.runtime.log.info(
      { client: this.address, code: errorName(code), detail },
      'an HTTP/2 connection was ended',
    );
    this.#end(code, detail);
  }

  #end(code: ErrorCode, debug: string): void {
    if (this.closing) return;
    this.output.writer.goaway(this.lastServed, code, debug);
    this.#abandon(new ProxyFailure('CLIENT_GONE', debug === '' ? 'connection closed' : debug));
    this.output.flushNow();
    this.#socket.end();
    this.#readingPaused = false;
    this.#socket.resume();
    this.runtime.wheel.arm(this.quiet, LINGER, this.runtime.now);
  }

  /** The peer is gone, or as good as gone: without the frames it sends, nothing goes on. */
  #lost(failure: ProxyFailure): void {
    this.runtime.touch();
    if (this.closing) return void this.#socket.destroy();
    this.#abandon(failure);
    this.output.flushNow();
    this.#socket.destroySoon();
  }

  #abandon(failure: ProxyFailure): void {
    if (!this.closing) this.#connection.go(ConnectionState.closing);
    this.state = 'closing';
    this.runtime.wheel.remove(this.acknowledged);
    this.runtime.wheel.remove(this.partial);
    this.runtime.wheel.remove(this.#farewell);
    this.runtime.wheel.disarm(this.quiet);
    for (const stream of [...this.streams.values()]) stream.gone(StreamState.resetLocal, failure);
  }

  protected discard(length: number): void {
    this.#lingered += length;
    if (this.#lingered > MAX_LINGER_BYTES) this.#socket.destroy();
  }

  #closed(): void {
    this.runtime.touch();
    this.#abandon(new ProxyFailure('CLIENT_GONE', 'connection closed'));
    this.turnEnding();
    this.runtime.wheel.remove(this.quiet);
    this.output.close();
    this.#connection.gone();
    this.runtime.counters.cells[Counter.http2ConnectionsNow]!--;
    this.#onClose(this);
  }
}
