import { FieldId, fieldValue, type RequestHead, type ResponseHead } from '@rp/parser';
import { answerFor, bodyLength, type LocalAnswer } from './answers.ts';
import { Attempts, type AttemptedExchange } from './attempts.ts';
import { BackendResponse, type AnsweredExchange } from './backend-response.ts';
import type { BackendStream } from './backend/stream.ts';
import type { CacheDecision, CacheRequest, StoredAnswer } from './cache-contract.ts';
import { backgroundRequest } from './cache-request.ts';
import { CacheStage, type CachedExchange } from './cache-stage.ts';
import { AttemptOutcome } from './contracts.ts';
import { Counter } from './counters.ts';
import { DetachedDownstream } from './detached.ts';
import type { BodyView, Downstream } from './downstream.ts';
import { account } from './exchange-account.ts';
import { askHandlers, askOfBackend, askOfResponse } from './exchange-hooks.ts';
import type { ExchangeOutcome } from './exchange-outcome.ts';
import { ExchangeRecord, noRequest } from './exchange-record.ts';
import { ProxyFailure } from './failure.ts';
import { withHostOf } from './forward-rules.ts';
import { ownAnswer } from './own-methods.ts';
import type { ChunkSource } from './read-buffers.ts';
import { RequestBody } from './request-body.ts';
import type { Runtime } from './runtime.ts';
import type { Upstream } from './upstream.ts';

/**
 * One request and its response, from the head that was read to the last byte handed to the client; the same object
 * serves one exchange after the other. It knows no sockets: the client is a `Downstream`,
 * the backend a connection that a pool lends. Every way out goes through `finish`.
 */
export class Exchange extends ExchangeRecord implements AttemptedExchange, AnsweredExchange, CachedExchange {
  readonly #body: RequestBody = new RequestBody();
  readonly #attempts: Attempts;
  readonly #response: BackendResponse;
  /** The first bytes of the body may still come in this turn: the head waits for them. */
  #starting = false;
  /** The cache's part in the current exchange. */
  cache: CacheStage | undefined = undefined;
  /** Made once for a cache, and only if there is one. */
  #cacheStage: CacheStage | undefined = undefined;
  /** The client has left; the exchange goes on for those who read along. */
  #clientLeft = false;
  /** An exchange of the cache's own: no client ever asked for it. */
  #background = false;

  constructor(runtime: Runtime, downstream: Downstream) {
    super(runtime, downstream);
    this.#attempts = new Attempts(runtime, this, this.#body);
    this.#response = new BackendResponse(runtime, this, this.#attempts);
  }

  /** It has ended, and may serve another client: no handler can take that one's request for the one it was shown. */
  get reusable(): boolean {
    return !this.active && !this.runtime.hooks.showsExchanges;
  }

  // ---- From the client --------------------------------------------------------------------------------------

  /** A request head was read. */
  start(request: RequestHead, now: number): void {
    this.#reset(request, now);
    this.#starting = true;
    this.#begin(request);
    this.#starting = false;
  }

  /** A request that is none, or none that is served: it ends with the answer for `failure`. `since`: when it began. */
  refuse(request: RequestHead, failure: ProxyFailure, since: number): void {
    this.#reset(request, since);
    this.#count();
    this.fail(failure);
  }

  #count(): void {
    const { cells } = this.runtime.counters;
    cells[Counter.requests]!++;
    cells[Counter.requestsNow]!++;
  }

  #begin(request: RequestHead): void {
    const { counters, hooks, overloaded } = this.runtime;
    this.#count();
    if (overloaded) {
      counters.cells[Counter.overloadRefusals]!++;
      return this.fail(new ProxyFailure('OVERLOADED', 'over a limit of the process'));
    }
    const own = this.downstream.admit(request) ?? ownAnswer(request);
    if (own instanceof ProxyFailure) return this.fail(own);
    if (own !== undefined) return this.answer(own, false);
    if (!hooks.requestParsed.active) return this.#route();
    askHandlers(hooks.requestParsed, this, this.runtime, () => this.#route());
  }

  requestBody(chunk: Buffer, view: BodyView, source: ChunkSource): void {
    if (!this.active) return;
    this.bytesIn += view.bodyLength;
    if (this.bytesIn > this.runtime.settings.limits.body) {
      return this.fail(
        new ProxyFailure('BODY_TOO_LARGE', `more than ${this.runtime.settings.limits.body} bytes`),
      );
    }
    const { connection } = this.#attempts;
    this.#body.hold(chunk, view, connection !== undefined);
    if (connection === undefined || !connection.sendBody(chunk, view, source)) this.downstream.pauseRequest();
  }

  requestEnd(trailers: string[] | undefined): void {
    this.requestComplete = true;
    if (!this.active) return;
    const { connection } = this.#attempts;
    if (trailers !== undefined) this.#body.holdTrailers(trailers, connection !== undefined);
    connection?.sendEnd(trailers);
  }

  /** What was read in this turn is all there is for now. */
  flushRequest(): void {
    this.#attempts.connection?.flush();
  }

  /** The client connection or stream is gone, or of no use any more. */
  clientGone(failure: ProxyFailure): void {
    if (!this.active) return;
    this.runtime.counters.cells[Counter.clientAborts]!++;
    if (this.cache?.hasFollowers === true) return this.#detach();
    this.failure = failure;
    this.#attempts.drop(AttemptOutcome.cancelled);
    this.finish('clientGone');
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
    if (!this.active || this.cache === undefined) return;
    if (this.cache.outrunsClient) this.#response.resume();
    else if (this.#clientLeft && !this.cache.hasFollowers) this.#desert();
  }

  /** Neither the client nor anybody who reads along is there any more. */
  #desert(): void {
    this.failure = new ProxyFailure('CLIENT_GONE', 'nobody reads along any more');
    this.#attempts.drop(AttemptOutcome.cancelled);
    this.finish('clientGone');
  }

  /** The client took what was waiting for it. */
  clientDrained(): void {
    this.cache?.resume();
    this.#response.resume();
  }

  // ---- From the attempts ------------------------------------------------------------------------------------

  backendSelected(backend: string, next: () => void): void {
    askOfBackend(this, backend, this.runtime, next);
  }

  connected(connection: BackendStream): void {
    const { request } = this;
    this.connectedAt = this.runtime.now;
    const rules = this.downstream.forwardRules(this.requestId);
    connection.begin(
      this.#response,
      this.cache?.forwarded(request) ?? request,
      request.host === '' ? withHostOf(this.backend!.target, rules) : rules,
    );
    const more = this.#body.sendTo(connection, request, this.requestComplete, this.#starting);
    if (more) this.downstream.resumeRequest();
  }

  // ---- From the response ------------------------------------------------------------------------------------

  responseReceived(head: ResponseHead, send: () => BackendStream | undefined): boolean {
    return askOfResponse(this, head, this.runtime, send);
  }

  endIfDeserted(): boolean {
    if (!this.#clientLeft || this.cache!.hasFollowers) return false;
    this.#desert();
    return true;
  }

  // ---- The way through --------------------------------------------------------------------------------------

  #route(): void {
    const { request } = this;
    const { settings } = this.runtime;
    const target = settings.routes.find(request.host, request.path);
    this.upstream = target?.upstream;
    if (target === undefined) return this.fail(new ProxyFailure('NO_ROUTE', `host ${request.host}`));
    if (request.contentLength > settings.limits.body) {
      return this.fail(new ProxyFailure('BODY_TOO_LARGE', `Content-Length ${request.contentLength}`));
    }
    if (target.cached && this.runtime.cache !== undefined && request.upgrade === '') this.#askCache(request);
    else this.#attempts.next();
  }

  #askCache(request: RequestHead): void {
    const { hooks, wallClock } = this.runtime;
    const cache = this.runtime.cache!;
    if (this.#cacheStage?.cache !== cache) this.#cacheStage = new CacheStage(cache, this, wallClock);
    const stage = (this.cache = this.#cacheStage);
    if (!hooks.cacheLookup.active) return stage.lookup(request);
    askHandlers(hooks.cacheLookup, this, this.runtime, () => stage.lookup(request));
  }

  // ---- The cache's part -------------------------------------------------------------------------------------

  forward(): void {
    this.#attempts.next();
  }

  answerStored(answer: StoredAnswer): void {
    this.responseStarted = true;
    this.status = answer.status;
    this.bytesOut += answer.bodyLength;
    this.downstream.sendStored(answer);
    this.finish('done');
  }

  beginStored(answer: StoredAnswer): void {
    this.responseStarted = true;
    this.status = answer.status;
    this.downstream.sendStoredHead(answer);
  }

  endStored(): void {
    this.downstream.sendEnd(undefined);
    this.finish('done');
  }

  revalidation(decision: CacheDecision, request: CacheRequest): CachedExchange {
    const { downstream, upstream } = this;
    const exchange = new Exchange(
      this.runtime,
      new DetachedDownstream(downstream, this.runtime.newRequestId()),
    );
    const stage = new CacheStage(this.cache!.cache, exchange, this.runtime.wallClock);
    stage.adopt(decision);
    exchange.prepare(backgroundRequest(request, this.request), upstream!, stage);
    return exchange;
  }

  /** An exchange of the cache's own (RFC 5861 §3): the next call is `forward`. */
  prepare(request: RequestHead, upstream: Upstream, cache: CacheStage): void {
    this.#reset(request, this.runtime.now);
    this.runtime.counters.cells[Counter.requestsNow]!++;
    this.#background = true;
    this.requestComplete = true;
    this.upstream = upstream;
    this.cache = cache;
  }

  // ---- When it fails ----------------------------------------------------------------------------------------

  /** Ends the exchange with the answer for `failure`, or cuts it where a response has begun. */
  fail(failure: ProxyFailure): void {
    if (!this.active) return;
    this.failure = failure;
    this.runtime.counters.failed(failure.code);
    if (this.runtime.hooks.error.active) {
      this.runtime.hooks.error.run({ exchange: this, failure }, () => {});
    }
    this.#attempts.drop(failure.source === 'backend' ? AttemptOutcome.reset : AttemptOutcome.cancelled);
    // RFC 5861 §4: in place of a 500, 502, 503 or 504 of our own as well as of a backend's.
    if (!this.responseStarted && failure.source !== 'client' && this.cache?.serveStale() === true) return;
    if (this.responseStarted || failure.status === 0) {
      this.downstream.cut(failure);
      return this.finish('cut');
    }
    const retryAfter = failure.status === 503 ? this.#retryAfter(failure) : 1;
    const accept = fieldValue(this.request, FieldId.accept);
    const answer = answerFor(failure, this.requestId, accept, retryAfter);
    const lines = this.cache?.failureFields(failure.code) ?? [];
    this.answer(
      lines.length === 0 ? answer : { ...answer, fields: [...answer.fields!, ...lines] },
      failure.closes,
    );
  }

  /** Whole seconds. */
  #retryAfter(failure: ProxyFailure): number | undefined {
    const { settings, now } = this.runtime;
    if (failure.code === 'OVERLOADED') return settings.overloadRetryAfter;
    return this.upstream?.balancer.retryAfterSeconds(now);
  }

  /** Ends the exchange with a response of the proxy's own. `close`: nothing more is read from this client. */
  answer(answer: LocalAnswer, close: boolean): void {
    this.#attempts.drop(AttemptOutcome.cancelled);
    this.responseStarted = true;
    this.status = answer.status;
    this.downstream.sendAnswer(answer, close);
    if (this.request.method !== 'HEAD') this.bytesOut += bodyLength(answer);
    this.finish('answered');
  }

  // ---- Bookkeeping ------------------------------------------------------------------------------------------

  /** The one way out. */
  finish(outcome: ExchangeOutcome): void {
    if (!this.active) return;
    this.active = false;
    this.runtime.counters.cells[Counter.requestsNow]!--;
    if (!this.#background) account(this, outcome, this.runtime);
    this.#body.drop();
    const cache = this.cache;
    this.cache = undefined;
    cache?.finish();
    this.request = noRequest;
    this.failure = undefined;
    this.#attempts.forget();
    this.downstream.exchangeDone(outcome);
  }

  #reset(request: RequestHead, now: number): void {
    this.renew(request, now);
    this.#body.expect(request);
    this.#attempts.reset();
    this.#response.reset();
    this.#clientLeft = this.#background = false;
  }
}
