import {
  ErrorCode,
  FloodGuard,
  RemoteSettings,
  SettingId,
  StreamIds,
  errorName,
  floodLimits,
} from '@rp/parser';
import type { Socket } from 'node:net';
import { Counter } from '../../counters.ts';
import { ProxyFailure } from '../../failure.ts';
import { STREAM_WINDOW } from '../../http2/bounds.ts';
import { Deadline } from '../../http2/deadline.ts';
import { explainedUpdates } from '../../http2/explained-updates.ts';
import { SessionOutput, type OutputOwner } from '../../http2/output.ts';
import { ReceiveFlow } from '../../http2/receive-flow.ts';
import type { Runtime } from '../../runtime.ts';
import { MAX_STREAMS } from './bounds.ts';
import { Http2BackendStream } from './stream.ts';

/** A busy backend resets many streams, and what is cancelled goes on arriving for a while: neither is an attack. */
const caps: Float64Array = floodLimits({ resetReceived: Infinity, resetCaused: Infinity, ignored: Infinity });

/** The pool, as a session knows it. */
export interface SessionOwner {
  /** The backend has greeted: streams can be opened. */
  sessionReady(session: SessionLife): void;
  /** There may be room for a stream that was not there before. */
  sessionHasRoom(session: SessionLife): void;
  /** It takes no new streams any more; those under way go on. */
  sessionLeaving(session: SessionLife): void;
  /** It is gone. `failure`: why, for who waits for its greeting. */
  sessionGone(session: SessionLife, failure: ProxyFailure): void;
}

/** `leaving`: no new streams; it ends with the last one under way. */
type SessionState = 'greeting' | 'open' | 'leaving' | 'closed';

/** A connection to a backend from its greeting to its end: the streams that it carries, and the windows that they share. */
export abstract class SessionLife implements OutputOwner {
  readonly scheme: 'http' | 'https';
  readonly output: SessionOutput;
  protected readonly runtime: Runtime;
  protected readonly owner: SessionOwner;
  protected readonly socket: Socket;
  protected readonly remote: RemoteSettings = new RemoteSettings('server');
  protected readonly ids: StreamIds = new StreamIds('client');
  protected readonly guard: FloodGuard;
  protected readonly flow: ReceiveFlow = new ReceiveFlow();
  protected readonly streams: Map<number, Http2BackendStream> = new Map();
  protected readonly greeting: Deadline = new Deadline(() => this.#unanswered());
  protected state: SessionState = 'greeting';
  /** Too much output waits for us to cause more by reading. */
  protected readingPaused = false;
  /** Streams that are lent, opened or about to be. */
  active = 0;
  /** Streams lent so far. */
  requests = 0;
  /** Monotonic milliseconds. */
  readonly createdAt: number;
  idleSince: number;

  constructor(runtime: Runtime, owner: SessionOwner, socket: Socket) {
    this.runtime = runtime;
    this.owner = owner;
    this.socket = socket;
    this.scheme = 'encrypted' in socket ? 'https' : 'http';
    this.createdAt = this.idleSince = runtime.now;
    this.guard = new FloodGuard(caps, runtime.now);
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
      this.runtime.settings.limits.headers,
    ]);
    writer.windowUpdate(0, this.flow.enlarge());
    this.output.flushNow();
    this.runtime.wheel.arm(this.greeting, timeout, this.runtime.now);
  }

  // ---- For the pool -----------------------------------------------------------------------------------------

  get isOpen(): boolean {
    return this.state === 'open';
  }

  get isClosed(): boolean {
    return this.state === 'closed';
  }

  /** Streams that it takes at a time. */
  get places(): number {
    return Math.min(MAX_STREAMS, this.remote.values.maxConcurrentStreams);
  }

  /** The backend takes extended CONNECT (RFC 8441 §3). */
  get carriesUpgrades(): boolean {
    return this.remote.values.enableConnectProtocol;
  }

  get hasRoom(): boolean {
    return this.state === 'open' && this.active < this.places;
  }

  /** A stream whose `begin` is called next. */
  lend(): Http2BackendStream {
    this.active++;
    this.requests++;
    return new Http2BackendStream(this.runtime, this);
  }

  /** No new streams; it ends with the last one under way. */
  retire(): void {
    if (this.state === 'closed') return;
    if (this.state === 'open') {
      this.state = 'leaving';
      this.owner.sessionLeaving(this);
    }
    if (this.active === 0) this.end(ErrorCode.NO_ERROR, 'retired');
  }

  // ---- For streams ------------------------------------------------------------------------------------------

  /** Gives a stream its identifier and its window. */
  opened(stream: Http2BackendStream): void {
    stream.id = this.ids.open();
    stream.sendWindow.available = this.remote.values.initialWindowSize;
    this.streams.set(stream.id, stream);
    // Few are left of 2^30: another connection for the next ones, long before they run out.
    if (stream.id > 2_000_000_000) this.retire();
  }

  /** The stream is over, and its place free. */
  finished(stream: Http2BackendStream): void {
    this.active--;
    if (stream.id !== 0) {
      this.streams.delete(stream.id);
      this.ids.closed(stream.id, stream.state);
      this.output.unblock(stream);
    }
    if (this.active === 0) {
      this.idleSince = this.runtime.now;
      if (this.state === 'leaving') return this.end(ErrorCode.NO_ERROR, 'the last stream ended');
    }
    if (this.state === 'open') this.owner.sessionHasRoom(this);
  }

  /** Octets were used up. */
  released(octets: number): void {
    this.#update(octets === 0 ? 0 : this.flow.release(octets));
  }

  /** Octets are kept for a slow client. */
  withheld(octets: number): void {
    this.#update(this.flow.withhold(octets));
  }

  letGo(octets: number): void {
    this.#update(octets === 0 ? 0 : this.flow.letGo(octets));
  }

  #update(increment: number): void {
    if (increment === 0 || this.isClosed) return;
    this.output.writer.windowUpdate(0, increment);
    this.output.touch();
  }

  /** @param left of the window that is smaller now */
  dataSent(octets: number, left: number): void {
    this.runtime.counters.cells[Counter.bytesToBackends]! += octets;
    this.guard.dataSent(explainedUpdates(octets, left, this.output.writer.maxFrameSize));
  }

  // ---- OutputOwner ------------------------------------------------------------------------------------------

  turnEnding(): void {}

  outputTaken(): void {
    if (!this.readingPaused || this.output.isFull) return;
    this.readingPaused = false;
    this.socket.resume();
  }

  outputStalled(): void {
    this.lost('nothing of what was sent was taken');
  }

  // ---- The end ----------------------------------------------------------------------------------------------

  #unanswered(): void {
    this.close(new ProxyFailure('CONNECT_TIMEOUT', 'no SETTINGS in time'));
  }

  /** A connection error (RFC 9113 §5.4.1). */
  protected fail(code: ErrorCode, detail: string): void {
    this.runtime.log.info({ code: errorName(code), detail }, 'an HTTP/2 connection to a backend was ended');
    this.end(code, detail);
  }

  protected end(code: ErrorCode, detail: string): void {
    if (this.isClosed) return;
    // Servers open no streams: there is none that we could have worked on.
    this.output.writer.goaway(0, code);
    this.output.flushNow();
    this.close(new ProxyFailure('BACKEND_REFUSED', detail));
  }

  protected lost(detail: string): void {
    this.close(new ProxyFailure('BACKEND_REFUSED', detail));
  }

  protected close(failure: ProxyFailure): void {
    if (this.isClosed) return;
    this.state = 'closed';
    this.runtime.wheel.remove(this.greeting);
    // Before the streams: who repeats a request must not be given this connection again.
    this.owner.sessionGone(this, failure);
    for (const stream of [...this.streams.values()]) stream.lost(failure.detail, false);
    this.output.close();
    this.socket.destroySoon();
  }
}
