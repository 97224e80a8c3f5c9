import { BodyFraming, FieldId, RequestHead, fieldValue, keptRequestId } from '@rp/parser';
import type { PickContext } from './contracts.ts';
import type { Downstream } from './downstream.ts';
import type { ProxyFailure } from './failure.ts';
import type { Runtime } from './runtime.ts';
import type { BackendEntry, Upstream } from './upstream.ts';

/** Between exchanges: an idle connection keeps nothing of its last request. */
export const noRequest: RequestHead = new RequestHead(
  '',
  '',
  1,
  [],
  [],
  BodyFraming.none,
  -1,
  '',
  '',
  true,
  '',
  false,
);

/** What is known of an exchange: for logs and hooks, and what a balancer may look at. */
export abstract class ExchangeRecord implements PickContext {
  protected readonly runtime: Runtime;
  /** Replaced when the client leaves and others still read along. */
  downstream: Downstream;

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
  /** Monotonic milliseconds when the current or last attempt began. */
  attemptedAt = 0;

  /** False between exchanges: what still arrives for the last one is of no interest. */
  active = false;
  requestComplete = false;
  /** Something of the final response was handed to the client: nothing else can answer. */
  responseStarted = false;

  constructor(runtime: Runtime, downstream: Downstream) {
    this.runtime = runtime;
    this.downstream = downstream;
  }

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
    return this.attemptedAt;
  }

  /** Another exchange begins. */
  protected renew(request: RequestHead, now: number): void {
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
    this.responseStarted = false;
  }

  #requestIdOf(request: RequestHead): string {
    if (this.downstream.trusted && this.runtime.settings.forwarding.requestId !== 'new') {
      const given = keptRequestId(request);
      if (given !== undefined) return given;
    }
    return this.runtime.newRequestId();
  }
}
