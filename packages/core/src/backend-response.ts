import { FieldId, type ResponseHead } from '@rp/parser';
import type { Attempts } from './attempts.ts';
import { BodyRate } from './backend/body-rate.ts';
import type { BackendReader, BackendStream } from './backend/stream.ts';
import type { CacheStage } from './cache-stage.ts';
import { AttemptOutcome, type PickContext } from './contracts.ts';
import type { BodyView, Downstream } from './downstream.ts';
import type { ExchangeOutcome } from './exchange-outcome.ts';
import type { ProxyFailure } from './failure.ts';
import type { ChunkSource } from './read-buffers.ts';
import type { Runtime } from './runtime.ts';
import type { BackendEntry, Upstream } from './upstream.ts';

/** What a backend's response asks of the exchange that it answers. */
export interface AnsweredExchange extends PickContext {
  readonly downstream: Downstream;
  readonly upstream: Upstream | undefined;
  readonly backend: BackendEntry | undefined;
  readonly cache: CacheStage | undefined;
  status: number;
  bytesOut: number;
  connectedAt: number;
  firstByteAt: number;
  responseStarted: boolean;
  /** Asks the handlers of `responseReceived`, of which there are some. False: one takes its time. */
  responseReceived(head: ResponseHead, send: () => BackendStream | undefined): boolean;
  /** True: neither the client nor anybody who reads along was there any more, and the exchange has ended. */
  endIfDeserted(): boolean;
  finish(outcome: ExchangeOutcome): void;
}

/**
 * The response of a backend on its way to the client, and to the cache. The same object serves one exchange after the
 * other.
 */
export class BackendResponse implements BackendReader {
  readonly #runtime: Runtime;
  readonly #exchange: AnsweredExchange;
  readonly #attempts: Attempts;
  /** The final head, until more of the response came in the same turn, or the turn has ended. */
  #head: ResponseHead | undefined = undefined;
  #headLines = '';
  #paused = false;
  readonly #rate: BodyRate = new BodyRate();

  constructor(runtime: Runtime, exchange: AnsweredExchange, attempts: Attempts) {
    this.#runtime = runtime;
    this.#exchange = exchange;
    this.#attempts = attempts;
  }

  /** Another exchange begins. */
  reset(): void {
    this.#head = undefined;
    this.#paused = false;
  }

  /** The client takes more again. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#attempts.connection?.resumeReading();
  }

  // ---- From the backend -------------------------------------------------------------------------------------

  get downstream(): Downstream {
    return this.#exchange.downstream;
  }

  informational(head: ResponseHead): void {
    this.#exchange.downstream.sendInformational(head);
  }

  responseHead(head: ResponseHead, now: number): boolean {
    this.#exchange.firstByteAt = now;
    if (head.status >= 500 && this.#attempts.isRepeated(head.status)) return true;
    this.#attempts.answered();
    this.#rate.begin(this.#exchange.upstream!.minRate, head, now);
    if (this.#runtime.hooks.responseReceived.active) return this.#askHandlers(head);
    this.#sendHead(head);
    return true;
  }

  responseBody(chunk: Buffer, view: BodyView, source: ChunkSource): void {
    if (this.#head !== undefined) this.#releaseHead();
    const exchange = this.#exchange;
    if (exchange.cache !== undefined) exchange.cache.body(chunk, view, source);
    exchange.bytesOut += view.bodyLength;
    if (this.#rate.isTooSlow(view.bodyLength, this.#runtime.now)) this.#attempts.trickles();
    if (!exchange.downstream.sendBody(chunk, view, source)) {
      // Those who read along are not to wait for a slow client: it is behind by no more than one stored body.
      if (exchange.cache?.outrunsClient === true) return;
      this.#paused = true;
      this.#rate.suspend();
      this.#attempts.connection?.pauseReading();
    }
  }

  responseFlush(): void {
    if (this.#head !== undefined) this.#releaseHead();
    this.#exchange.downstream.flush();
  }

  responseEnd(trailers: readonly string[] | undefined): void {
    const exchange = this.#exchange;
    this.#attempts.connection = undefined;
    if (exchange.cache !== undefined) {
      if (exchange.cache.plan !== 'relay') return this.#useStored();
      exchange.cache.end();
    }
    if (this.#head !== undefined) this.#releaseHead();
    this.#attempts.end(exchange.status >= 500 ? AttemptOutcome.status5xx : AttemptOutcome.success);
    exchange.downstream.sendEnd(trailers);
    exchange.finish('done');
  }

  backendFailed(failure: ProxyFailure): void {
    this.#attempts.failed(failure);
  }

  backendDrained(): void {
    this.#exchange.downstream.resumeRequest();
  }

  tunnelled(): () => void {
    const over = this.#attempts.tunnelled();
    this.#exchange.status = 101;
    this.#exchange.finish('tunnelled');
    return over;
  }

  // ---- The head ---------------------------------------------------------------------------------------------

  #askHandlers(head: ResponseHead): boolean {
    return this.#exchange.responseReceived(head, () => {
      const { connection } = this.#attempts;
      this.#sendHead(head);
      return connection;
    });
  }

  #sendHead(head: ResponseHead): void {
    const exchange = this.#exchange;
    const { cache } = exchange;
    if (cache !== undefined && cache.responded(head) !== 'relay') return this.#setAside(head);
    // It cannot be shared, so that those who waited for it have gone elsewhere.
    if (exchange.endIfDeserted()) return;
    let extra = cache === undefined ? '' : cache.lines;
    if (!hasField(head, FieldId.date)) extra += `Date: ${this.#runtime.date()}\r\n`;
    const upstream = exchange.upstream!;
    if (upstream.setsAffinity)
      extra += upstream.affinityField(exchange, exchange.backend!, exchange.downstream.secure);
    this.#head = head;
    this.#headLines = extra;
  }

  /** What follows the head was looked at, and is in order: a fault found before could still be answered with 502. */
  #releaseHead(): void {
    const head = this.#head!;
    this.#head = undefined;
    this.#exchange.responseStarted = true;
    this.#exchange.status = head.status;
    this.#exchange.downstream.sendHead(head, this.#headLines);
  }

  // ---- Not for the client -----------------------------------------------------------------------------------

  /** The cache makes do without it: what is left of it is of no use, unless it has no body. */
  #setAside(head: ResponseHead): void {
    this.#exchange.firstByteAt = this.#runtime.now;
    this.#exchange.status = head.status;
    const { connection } = this.#attempts;
    if (connection === undefined || connection.endsWithHead) return;
    this.#attempts.abandon();
    this.#useStored();
  }

  /** The stored response answers, or the backend is asked again without conditions. */
  #useStored(): void {
    const exchange = this.#exchange;
    this.#attempts.end(exchange.status >= 500 ? AttemptOutcome.status5xx : AttemptOutcome.success);
    const cache = exchange.cache!;
    if (cache.plan === 'serve') return cache.servePlanned();
    cache.plan = 'relay';
    exchange.status = 0;
    exchange.connectedAt = 0;
    this.#attempts.next();
  }
}

function hasField(head: ResponseHead, id: number): boolean {
  const { ids } = head;
  for (let i = 0; i < ids.length; i++) if (ids[i] === id) return true;
  return false;
}
