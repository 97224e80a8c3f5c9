import { BodyFraming, FieldId, RequestHead, fieldValue, keptRequestId, type ResponseHead } from '@rp/parser';
import { answerFor, type LocalAnswer } from './answers.ts';
import type { BackendStream } from './backend/stream.ts';
import {
  AttemptOutcome,
  type BackendTarget,
  type ConnectionWaiter,
  type PickContext,
  type PoolFailure,
} from './contracts.ts';
import { Counter } from './counters.ts';
import type { BodyView, Downstream } from './downstream.ts';
import type { ExchangeOutcome } from './exchange-outcome.ts';
import { MovedAway, ProxyFailure } from './failure.ts';
import { isRequestIntact, isResponseIntact } from './edited-heads.ts';
import { HeldBody } from './held-body.ts';
import { refusal } from './hooks.ts';
import { backgroundRequest } from './cache-request.ts';
import { CacheStage, type CachedExchange } from './cache-stage.ts';
import type { CacheDecision, CacheRequest, StoredAnswer } from './cache-contract.ts';
import { DetachedDownstream } from './detached.ts';
import { isIdempotent, mayReplay } from './repeat.ts';
import type { ChunkSource } from './read-buffers.ts';
import type { AccessLog, Runtime } from './runtime.ts';
import { Timer } from './timer-wheel.ts';
import type { BackendEntry, Upstream } from './upstream.ts';

/** Bytes of a request body that are kept so that the request can be repeated. */
const MAX_KEPT_BODY = 65_536;

/** Between exchanges: an idle connection keeps nothing of its last request. */
const noRequest = new RequestHead('', '', 1, [], [], BodyFraming.none, -1, '', '', true, '', false);

class RetryTimer extends Timer {
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    super();
    this.#exchange = exchange;
  }

  override expired(): void {
    this.#exchange.attempt();
  }
}

/**
 * One request and its response, from the head that was read to the last byte handed to the client; the same object
 * serves one exchange after the other of its client connection. It knows no sockets: the client is a `Downstream`,
 * the backend a connection that a pool lends. Every way out goes through `#finish`.
 */
export class Exchange implements ConnectionWaiter<BackendStream>, PickContext, CachedExchange {
  readonly #runtime: Runtime;
  /** Replaced when the client leaves and others still read along. */
  downstream: Downstream;

  poolNode: unknown = undefined;
  request: RequestHead = noRequest;
  #requestId = '';
  upstream: Upstream | undefined = undefined;
  /** The backend of the current or last attempt. */
  backend: BackendEntry | undefined = undefined;
  /** Status handed to the client; 0 while there is none. */
  status = 0;
  failure: ProxyFailure | undefined = undefined;
  /** Attempts after the first, and repetitions on a fresh connection after a stale one. */
  retries = 0;
  cacheStatus = '';
  /** Body bytes from and to the client. */
  bytesIn = 0;
  bytesOut = 0;
  /** Monotonic milliseconds; 0 where the stage was not reached. */
  startedAt = 0;
  connectedAt = 0;
  firstByteAt = 0;

  /** False between exchanges: what still arrives for the last one is of no interest. */
  active = false;
  requestComplete = false;

  #connection: BackendStream | undefined = undefined;
  /** The first bytes of the body may still come in this turn: the head waits for them. */
  #starting = false;
  #waiting = false;
  #reused = false;
  #replayed = false;
  #attempts = 0;
  #attemptOpen = false;
  #attemptStart = 0;
  #tried: BackendTarget[] | undefined = undefined;
  #retryHeld = false;
  #cache: CacheStage | undefined = undefined;
  /** Made once for a cache, and only if there is one. */
  #cacheStage: CacheStage | undefined = undefined;
  /** The client has left; the exchange goes on for those who read along. */
  #clientLeft = false;
  /** An exchange of the cache's own: no client ever asked for it. */
  #background = false;
  #responseStarted = false;
  /** The final head, until more of the response came in the same turn, or the turn has ended. */
  #head: ResponseHead | undefined = undefined;
  #headLines = '';
  #paused = false;
  #held: HeldBody | undefined = undefined;
  /** A small body of a request that may be repeated is kept until the exchange ends. */
  #keepsBody = false;
  #retryTimer: RetryTimer | undefined = undefined;

  constructor(runtime: Runtime, downstream: Downstream) {
    this.#runtime = runtime;
    this.downstream = downstream;
  }

  // ---- PickContext: what a balancer may look at -------------------------------------------------------------

  /** Made when it is first asked for: an answer from the cache needs none. */
  get requestId(): string {
    if (this.#requestId === '') this.#requestId = this.#requestIdOf(this.request);
    return this.#requestId;
  }

  get clientAddress(): string {
    return this.downstream.address;
  }

  get cookie(): string | undefined {
    return fieldValue(this.request, FieldId.cookie);
  }

  get now(): number {
    return this.#attemptStart;
  }

  // ---- From the client --------------------------------------------------------------------------------------

  /** A request head was read. */
  start(request: RequestHead, now: number): void {
    this.#reset(request, now);
    this.#starting = true;
    this.#begin(request);
    this.#starting = false;
  }

  #begin(request: RequestHead): void {
    const { counters, hooks, overloaded } = this.#runtime;
    counters.cells[Counter.requests]!++;
    counters.cells[Counter.requestsNow]!++;
    if (overloaded) {
      counters.cells[Counter.overloadRefusals]!++;
      return this.fail(new ProxyFailure('OVERLOADED', 'over a limit of the process'));
    }
    const own = this.downstream.admit(request);
    if (own instanceof ProxyFailure) return this.fail(own);
    if (own !== undefined) return this.#answer(own, false);
    if (request.method === 'TRACE')
      return this.fail(new ProxyFailure('METHOD_NOT_ALLOWED', 'TRACE is not forwarded'));
    if (request.method === 'CONNECT')
      return this.fail(new ProxyFailure('NOT_IMPLEMENTED', 'CONNECT is not served'));
    if (!hooks.requestParsed.active) return this.#route();
    const event = { exchange: this, request, clientAddress: this.downstream.address };
    hooks.requestParsed.run(event, (verdict) => this.#goOn(request, verdict, () => this.#route()));
  }

  requestBody(chunk: Buffer, view: BodyView, source: ChunkSource): void {
    if (!this.active) return;
    this.bytesIn += view.bodyLength;
    if (this.bytesIn > this.#runtime.settings.limits.body) {
      return this.fail(
        new ProxyFailure('BODY_TOO_LARGE', `more than ${this.#runtime.settings.limits.body} bytes`),
      );
    }
    const connection = this.#connection;
    if (connection === undefined || this.#keepsBody) this.#holder().add(chunk, view);
    if (connection === undefined || !connection.sendBody(chunk, view, source)) this.downstream.pauseRequest();
  }

  requestEnd(trailers: string[] | undefined): void {
    this.requestComplete = true;
    if (!this.active) return;
    if (this.#connection === undefined) {
      if (trailers !== undefined) this.#holder().trailers = trailers;
    } else {
      this.#connection.sendEnd(trailers);
    }
  }

  /** What was read in this turn is all there is for now. */
  flushRequest(): void {
    this.#connection?.flush();
  }

  /** The client connection or stream is gone, or of no use any more. */
  clientGone(failure: ProxyFailure): void {
    if (!this.active) return;
    this.#runtime.counters.cells[Counter.clientAborts]!++;
    if (this.#cache?.hasFollowers === true) return this.#detach();
    this.failure = failure;
    this.#dropAttempt(AttemptOutcome.cancelled);
    this.#finish('clientGone');
  }

  /** Others read along with what is fetched here: the exchange goes on without its client. */
  #detach(): void {
    const left = this.downstream;
    this.#clientLeft = true;
    this.downstream = new DetachedDownstream(left, this.requestId);
    this.clientDrained();
    left.exchangeDone('clientGone');
  }

  /** The first one who reads along must not wait for a slow client; without the last one nobody waits at all. */
  followersChanged(): void {
    if (!this.active || this.#cache === undefined) return;
    if (this.#cache.outrunsClient) this.#resumeBackend();
    else if (this.#clientLeft && !this.#cache.hasFollowers) this.#desert();
  }

  /** Neither the client nor anybody who reads along is there any more. */
  #desert(): void {
    this.failure = new ProxyFailure('CLIENT_GONE', 'nobody reads along any more');
    this.#dropAttempt(AttemptOutcome.cancelled);
    this.#finish('clientGone');
  }

  /** The client took what was waiting for it. */
  clientDrained(): void {
    this.#cache?.resume();
    this.#resumeBackend();
  }

  #resumeBackend(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#connection?.resumeReading();
  }

  // ---- From the pool ----------------------------------------------------------------------------------------

  connectionReady(connection: BackendStream, reused: boolean): void {
    this.#waiting = false;
    this.#connection = connection;
    this.#reused = reused;
    this.connectedAt = this.#runtime.now;
    const held = this.#held;
    const complete = this.requestComplete || this.request.framing === BodyFraming.none;
    connection.begin(
      this,
      this.#cache?.forwarded(this.request) ?? this.request,
      this.downstream.forwardRules(this.requestId),
    );
    if (held === undefined) {
      if (complete) connection.sendEnd(undefined);
      // The client may be waiting for the 100 that the backend only sends when it has the head.
      else if (!this.#starting) connection.flush();
      return;
    }
    const more = held.sendTo(connection);
    if (this.requestComplete) connection.sendEnd(held.trailers);
    else connection.flush();
    if (!this.#keepsBody) this.#held = undefined;
    if (more && !this.requestComplete) this.downstream.resumeRequest();
  }

  connectionFailed(failure: PoolFailure): void {
    this.#waiting = false;
    this.#attemptFailed(poolFailure(failure));
  }

  // ---- From the backend -------------------------------------------------------------------------------------

  informational(head: ResponseHead): void {
    this.downstream.sendInformational(head);
  }

  /** The final head. False: a hook looks at it; nothing more may be delivered until `connection.proceed()`. */
  responseHead(head: ResponseHead, now: number): boolean {
    this.firstByteAt = now;
    const { hooks } = this.#runtime;
    if (!hooks.responseReceived.active) {
      this.#sendHead(head);
      return true;
    }
    return this.#runResponseHook(head);
  }

  responseBody(chunk: Buffer, view: BodyView, source: ChunkSource): void {
    if (this.#head !== undefined) this.#releaseHead();
    if (this.#cache !== undefined) this.#cache.body(chunk, view, source);
    this.bytesOut += view.bodyLength;
    if (!this.downstream.sendBody(chunk, view, source)) {
      // Those who read along are not to wait for a slow client: it is behind by no more than one stored body.
      if (this.#cache?.outrunsClient === true) return;
      this.#paused = true;
      this.#connection?.pauseReading();
    }
  }

  /** Nothing more came in this turn. */
  responseFlush(): void {
    if (this.#head !== undefined) this.#releaseHead();
    this.downstream.flush();
  }

  /** The connection has been given back already. */
  responseEnd(trailers: readonly string[] | undefined): void {
    this.#connection = undefined;
    if (this.#cache !== undefined) {
      if (this.#cache.plan !== 'relay') return this.#useStored();
      this.#cache.end();
    }
    if (this.#head !== undefined) this.#releaseHead();
    this.#endAttempt(this.status >= 500 ? AttemptOutcome.status5xx : AttemptOutcome.success);
    this.downstream.sendEnd(trailers);
    this.#finish('done');
  }

  /** The connection is of no use any more; it has been given back already. */
  backendFailed(failure: ProxyFailure): void {
    this.#connection = undefined;
    this.#attemptFailed(failure);
  }

  backendDrained(): void {
    this.downstream.resumeRequest();
  }

  /** The backend switched protocols: from here on bytes pass both ways unread (RFC 9110 §7.8). */
  tunnelled(): void {
    this.#connection = undefined;
    this.#endAttempt(AttemptOutcome.success);
    this.status = 101;
    this.#finish('tunnelled');
  }

  // ---- The way through --------------------------------------------------------------------------------------

  #route(): void {
    const { request } = this;
    const { settings } = this.#runtime;
    const target = settings.routes.find(request.host, request.path);
    this.upstream = target?.upstream;
    if (target === undefined) return this.fail(new ProxyFailure('NO_ROUTE', `host ${request.host}`));
    if (request.contentLength > settings.limits.body) {
      return this.fail(new ProxyFailure('BODY_TOO_LARGE', `Content-Length ${request.contentLength}`));
    }
    if (target.cached && this.#runtime.cache !== undefined && request.upgrade === '') this.#askCache(request);
    else this.attempt();
  }

  #askCache(request: RequestHead): void {
    const { hooks, wallClock } = this.#runtime;
    const cache = this.#runtime.cache!;
    if (this.#cacheStage?.cache !== cache) this.#cacheStage = new CacheStage(cache, this, wallClock);
    const stage = (this.#cache = this.#cacheStage);
    if (!hooks.cacheLookup.active) return stage.lookup(request);
    const event = { exchange: this, request, clientAddress: this.clientAddress };
    hooks.cacheLookup.run(event, (verdict) => this.#goOn(request, verdict, () => stage.lookup(request)));
  }

  /** Picks a backend and asks its pool for a connection. */
  attempt(): void {
    const upstream = this.upstream!;
    const now = (this.#attemptStart = this.#runtime.now);
    const entry = upstream.pick(this, this.#tried);
    if (entry === undefined) {
      return this.fail(this.failure ?? new ProxyFailure('NO_BACKEND', `upstream ${upstream.name}`));
    }
    if (this.request.upgrade !== '' && speaksHttp2(entry.target)) {
      return this.fail(new ProxyFailure('NOT_IMPLEMENTED', `no upgrades over HTTP/2: ${entry.target.key}`));
    }
    const { hooks } = this.#runtime;
    if (!hooks.backendSelected.active) return this.#connect(entry, now, false);
    const { request } = this;
    const event = { exchange: this, request, clientAddress: this.clientAddress, backend: entry.target.key };
    hooks.backendSelected.run(event, (verdict) =>
      this.#goOn(request, verdict, () => this.#connect(entry, now, false)),
    );
  }

  #connect(entry: BackendEntry, now: number, fresh: boolean): void {
    this.backend = entry;
    this.#attempts++;
    this.#attemptOpen = true;
    this.upstream!.balancer.started(entry.target, now);
    if (fresh) {
      this.#waiting = true;
      return entry.pool.acquireFresh(this);
    }
    const connection = entry.pool.acquire(this);
    if (connection === undefined) this.#waiting = true;
    else this.connectionReady(connection, true);
  }

  #sendHead(head: ResponseHead): void {
    const cache = this.#cache;
    if (cache !== undefined && cache.responded(head) !== 'relay') return this.#setAside(head);
    // It cannot be shared, so that those who waited for it have gone elsewhere.
    if (this.#clientLeft && !cache!.hasFollowers) return this.#desert();
    let extra = cache === undefined ? '' : cache.lines;
    if (!hasField(head, FieldId.date)) extra += `Date: ${this.#runtime.date()}\r\n`;
    if (this.upstream!.setsAffinity) extra += this.upstream!.affinityField(this, this.backend!, this.downstream.secure);
    this.#head = head;
    this.#headLines = extra;
  }

  /** What follows the head was looked at, and is in order: a fault found before could still be answered with 502. */
  #releaseHead(): void {
    const head = this.#head!;
    this.#head = undefined;
    this.#responseStarted = true;
    this.status = head.status;
    this.downstream.sendHead(head, this.#headLines);
  }

  // ---- The cache's part -------------------------------------------------------------------------------------

  /** The backend's response is not for the client: what is left of it is of no use, unless it has no body. */
  #setAside(head: ResponseHead): void {
    this.firstByteAt = this.#runtime.now;
    this.status = head.status;
    const connection = this.#connection;
    if (connection === undefined || connection.endsWithHead) return;
    this.#connection = undefined;
    connection.abandon();
    this.#useStored();
  }

  /** The stored response answers, or the backend is asked again without conditions. */
  #useStored(): void {
    this.#endAttempt(this.status >= 500 ? AttemptOutcome.status5xx : AttemptOutcome.success);
    const cache = this.#cache!;
    if (cache.plan === 'serve') return cache.servePlanned();
    cache.plan = 'relay';
    this.status = 0;
    this.connectedAt = 0;
    this.attempt();
  }

  forward(): void {
    this.attempt();
  }

  answerStored(answer: StoredAnswer): void {
    this.#responseStarted = true;
    this.status = answer.status;
    this.bytesOut += answer.bodyLength;
    this.downstream.sendStored(answer);
    this.#finish('done');
  }

  beginStored(answer: StoredAnswer): void {
    this.#responseStarted = true;
    this.status = answer.status;
    this.downstream.sendStoredHead(answer);
  }

  endStored(): void {
    this.downstream.sendEnd(undefined);
    this.#finish('done');
  }

  revalidation(decision: CacheDecision, request: CacheRequest): CachedExchange {
    const { downstream, upstream } = this;
    const exchange = new Exchange(
      this.#runtime,
      new DetachedDownstream(downstream, this.#runtime.newRequestId()),
    );
    const stage = new CacheStage(this.#cache!.cache, exchange, this.#runtime.wallClock);
    stage.adopt(decision);
    exchange.prepare(backgroundRequest(request, this.request), upstream!, stage);
    return exchange;
  }

  /** An exchange of the cache's own (RFC 5861 §3): the next call is `forward`. */
  prepare(request: RequestHead, upstream: Upstream, cache: CacheStage): void {
    this.#reset(request, this.#runtime.now);
    this.#runtime.counters.cells[Counter.requestsNow]!++;
    this.#background = true;
    this.requestComplete = true;
    this.upstream = upstream;
    this.#cache = cache;
  }

  #runResponseHook(head: ResponseHead): boolean {
    const { request } = this;
    let decided = false;
    let asynchronous = false;
    const event = { exchange: this, request, clientAddress: this.clientAddress, response: head };
    this.#runtime.hooks.responseReceived.run(event, (verdict) =>
      this.#goOn(request, verdict, () => {
        decided = true;
        if (!isResponseIntact(head)) {
          return this.fail(new ProxyFailure('INTERNAL', 'a handler wrote what no response may have'));
        }
        const connection = this.#connection;
        this.#sendHead(head);
        if (asynchronous) connection?.proceed();
      }),
    );
    asynchronous = true;
    return decided || !this.active;
  }

  /** After a hook, which may have taken its time: the exchange may be over by then. */
  #goOn(request: RequestHead, verdict: LocalAnswer | undefined, next: () => void): void {
    this.#runtime.touch();
    if (!this.active || this.request !== request) return;
    if (verdict === refusal)
      return this.fail(new ProxyFailure('INTERNAL', 'a handler failed, and refuses then'));
    if (verdict === undefined) {
      if (isRequestIntact(request)) next();
      else this.fail(new ProxyFailure('INTERNAL', 'a handler wrote what no request may have'));
    } else this.#answer(verdict, !this.requestComplete && request.framing !== BodyFraming.none);
  }

  // ---- When it fails ----------------------------------------------------------------------------------------

  /** Ends the exchange with the answer for `failure`, or cuts it where a response has begun. */
  fail(failure: ProxyFailure): void {
    if (!this.active) return;
    this.failure = failure;
    this.#runtime.counters.failed(failure.code);
    if (this.#runtime.hooks.error.active) {
      this.#runtime.hooks.error.run({ exchange: this, failure }, () => {});
    }
    this.#dropAttempt(failure.source === 'backend' ? AttemptOutcome.reset : AttemptOutcome.cancelled);
    // RFC 5861 §4: in place of a 500, 502, 503 or 504 of our own as well as of a backend's.
    if (!this.#responseStarted && failure.source !== 'client' && this.#cache?.serveStale() === true) return;
    if (this.#responseStarted || failure.status === 0) {
      this.downstream.cut(failure);
      return this.#finish('cut');
    }
    const retryAfter = failure.status === 503 ? this.#retryAfter(failure) : 1;
    const accept = fieldValue(this.request, FieldId.accept);
    const answer = answerFor(failure, this.requestId, accept, retryAfter);
    const lines = this.#cache?.failureFields(failure.code) ?? [];
    this.#answer(
      lines.length === 0 ? answer : { ...answer, fields: [...answer.fields!, ...lines] },
      failure.closes,
    );
  }

  /** Whole seconds. */
  #retryAfter(failure: ProxyFailure): number | undefined {
    const { settings, now } = this.#runtime;
    if (failure.code === 'OVERLOADED') return settings.overloadRetryAfter;
    return this.upstream?.balancer.retryAfterSeconds(now);
  }

  #answer(answer: LocalAnswer, close: boolean): void {
    this.#dropAttempt(AttemptOutcome.cancelled);
    this.#responseStarted = true;
    this.status = answer.status;
    this.downstream.sendAnswer(answer, close);
    this.#finish('answered');
  }

  #attemptFailed(failure: ProxyFailure): void {
    const entry = this.backend!;
    const now = this.#runtime.now;
    const sent = this.connectedAt !== 0;
    this.failure = failure;
    this.#logFailure(entry, failure);
    if (this.#responseStarted) {
      this.#endAttempt(outcomeOf(failure));
      return this.fail(failure);
    }
    const idempotent = isIdempotent(this.request.method);
    const bodyReplayable = this.#bodyReplayable(sent);
    const replay =
      failure instanceof MovedAway
        ? bodyReplayable
        : mayReplay(failure.retryable, this.#reused, idempotent, bodyReplayable);
    if (replay && !this.#replayed) {
      // A stale connection says nothing about its backend: the same one gets the request again.
      this.#endAttempt(AttemptOutcome.cancelled);
      this.#replayed = true;
      this.retries++;
      this.#runtime.counters.cells[Counter.replays]!++;
      this.connectedAt = 0;
      return this.#connect(entry, now, true);
    }
    this.#endAttempt(outcomeOf(failure));
    (this.#tried ??= []).push(entry.target);
    const failed = {
      retryable: failure.retryable,
      connectionReused: this.#reused,
      requestSent: sent,
      idempotent,
      responseStarted: false,
      bodyReplayable,
      attempts: this.#attempts,
    };
    const decision = this.upstream!.balancer.mayRetry(failed, this.#tried, now);
    if (decision.retry) this.#retry(decision.delayMs, now);
    else this.fail(failure);
  }

  #retry(delay: number, now: number): void {
    this.retries++;
    this.#retryHeld = true;
    this.#runtime.counters.cells[Counter.retries]!++;
    this.connectedAt = 0;
    if (delay === 0) return this.attempt();
    this.#retryTimer ??= new RetryTimer(this);
    this.#runtime.wheel.arm(this.#retryTimer, delay, now);
  }

  /** The place in the retry budget is free again. */
  #releaseRetry(): void {
    if (!this.#retryHeld) return;
    this.#retryHeld = false;
    this.upstream!.balancer.retryBudget.release();
  }

  #logFailure(entry: BackendEntry, failure: ProxyFailure): void {
    const { code, detail } = failure;
    this.#runtime.log.warn(
      { requestId: this.requestId, backend: entry.target.key, code, detail },
      'an attempt on a backend failed',
    );
  }

  // ---- Bookkeeping ------------------------------------------------------------------------------------------

  #holder(): HeldBody {
    return (this.#held ??= new HeldBody());
  }

  #bodyReplayable(sent: boolean): boolean {
    const { framing, contentLength } = this.request;
    if (framing === BodyFraming.none || contentLength === 0) return true;
    return !sent || (this.#keepsBody && this.requestComplete);
  }

  /** Gives up whatever the current attempt holds. */
  #dropAttempt(outcome: AttemptOutcome): void {
    if (this.#retryTimer !== undefined) this.#runtime.wheel.disarm(this.#retryTimer);
    if (this.#waiting) {
      this.#waiting = false;
      this.backend!.pool.cancel(this);
    }
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.abandon();
    this.#endAttempt(outcome);
  }

  #endAttempt(outcome: AttemptOutcome): void {
    this.#releaseRetry();
    if (!this.#attemptOpen) return;
    this.#attemptOpen = false;
    const now = this.#runtime.now;
    // Long downloads are no slow backends: what counts is the time to the head.
    const until = this.firstByteAt > this.#attemptStart ? this.firstByteAt : now;
    this.upstream!.balancer.finished(this.backend!.target, outcome, now, until - this.#attemptStart);
  }

  /** The one way out. */
  #finish(outcome: ExchangeOutcome): void {
    if (!this.active) return;
    this.active = false;
    this.#runtime.counters.cells[Counter.requestsNow]!--;
    if (!this.#background) this.#account(outcome);
    this.#held = undefined;
    const cache = this.#cache;
    this.#cache = undefined;
    cache?.finish();
    this.request = noRequest;
    this.failure = undefined;
    this.#tried = undefined;
    this.downstream.exchangeDone(outcome);
  }

  #account(outcome: ExchangeOutcome): void {
    const { counters, accessLog, hooks } = this.#runtime;
    counters.cells[Counter.bytesFromClients]! += this.bytesIn;
    counters.cells[Counter.bytesToClients]! += this.bytesOut;
    if (this.status !== 0) counters.response(this.status, this.#runtime.now - this.startedAt);
    if (accessLog !== undefined) this.#tell(accessLog);
    if (hooks.responseSent.active && outcome !== 'clientGone') {
      hooks.responseSent.run({ exchange: this, status: this.status, bytesSent: this.bytesOut }, () => {});
    }
  }

  #tell(accessLog: AccessLog): void {
    try {
      accessLog.log(this);
    } catch (error) {
      // A log that fails is no reason to keep a response from its client.
      this.#runtime.internalError(error, undefined);
    }
  }

  #reset(request: RequestHead, now: number): void {
    this.request = request;
    this.#requestId = '';
    this.startedAt = now;
    this.active = true;
    this.upstream = undefined;
    this.backend = undefined;
    this.status = 0;
    this.failure = undefined;
    this.retries = 0;
    this.cacheStatus = '';
    this.bytesIn = this.bytesOut = 0;
    this.connectedAt = this.firstByteAt = 0;
    this.requestComplete = false;
    this.#connection = undefined;
    this.#waiting = this.#reused = this.#replayed = this.#attemptOpen = false;
    this.#attempts = 0;
    this.#tried = undefined;
    this.#clientLeft = this.#background = false;
    this.#responseStarted = this.#paused = false;
    this.#head = undefined;
    this.#held = undefined;
    this.#keepsBody =
      request.contentLength > 0 && request.contentLength <= MAX_KEPT_BODY && isIdempotent(request.method);
  }

  #requestIdOf(request: RequestHead): string {
    if (this.downstream.trusted && this.#runtime.settings.forwarding.requestId !== 'new') {
      const given = keptRequestId(request);
      if (given !== undefined) return given;
    }
    return this.#runtime.newRequestId();
  }
}

function hasField(head: ResponseHead, id: number): boolean {
  const { ids } = head;
  for (let i = 0; i < ids.length; i++) if (ids[i] === id) return true;
  return false;
}

function speaksHttp2({ protocol }: BackendTarget): boolean {
  return protocol === 'h2' || protocol === 'h2c';
}

function outcomeOf(failure: ProxyFailure): AttemptOutcome {
  switch (failure.code) {
    case 'BACKEND_REFUSED':
    case 'BACKEND_TLS':
    case 'CONNECT_TIMEOUT':
      return AttemptOutcome.connectFailed;
    case 'BACKEND_TIMEOUT':
      return AttemptOutcome.timedOut;
    case 'POOL_EXHAUSTED':
      return AttemptOutcome.cancelled;
    default:
      return AttemptOutcome.reset;
  }
}

function poolFailure(failure: PoolFailure): ProxyFailure {
  if (failure.cause instanceof ProxyFailure) return failure.cause;
  switch (failure.code) {
    case 'POOL_CONNECT_FAILED':
    case 'POOL_BACKOFF':
    case 'POOL_DRAINING':
      return new ProxyFailure('BACKEND_REFUSED', failure.code, failure);
    default:
      return new ProxyFailure('POOL_EXHAUSTED', failure.code, failure);
  }
}
