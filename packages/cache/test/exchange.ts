// A small stand-in for an engine: one request through the cache, with a backend that is a function.
import type {
  CacheDecision,
  CacheRequest,
  CacheResponse,
  Follower,
  FollowerFailure,
  HttpCache,
} from '../src/index.ts';

/** Start of every test: a whole second, so that `Date` says exactly that. */
export const START: number = Date.UTC(2026, 5, 1, 12, 0, 0);

export interface Reply {
  readonly status?: number;
  readonly fields?: readonly string[];
  readonly body?: string;
}

export interface Outcome {
  /** Kind of decision, or what the plan said after forwarding. */
  readonly kind: string;
  readonly status: number;
  readonly fields: readonly string[];
  readonly body: string;
  readonly cacheStatus: string;
  readonly age: number;
  /** The backend saw the request. */
  readonly forwarded: boolean;
  /** Precondition fields that the cache added. */
  readonly conditional: readonly string[];
}

export function get(target: string, fields: readonly string[] = [], method = 'GET'): CacheRequest {
  return { method, scheme: 'http', host: 'example.com', target, fields: ['Host', 'example.com', ...fields] };
}

export function ok(...fields: string[]): CacheResponse {
  return { status: 200, reason: 'OK', fields };
}

function answered(decision: CacheDecision, kind: string, forwarded: boolean): Outcome {
  return {
    kind,
    status: decision.status,
    fields: [...decision.fields],
    body: text(decision.chunks),
    cacheStatus: decision.cacheStatus,
    age: decision.age,
    forwarded,
    conditional: [...decision.conditionalFields],
  };
}

export function text(chunks: readonly Uint8Array[]): string {
  return Buffer.concat(chunks).toString('latin1');
}

/** One exchange. `reply` undefined: the backend cannot be reached. */
export function exchange(
  cache: HttpCache,
  request: CacheRequest,
  now: number,
  reply: Reply | undefined,
  responseTime: number = now,
): Outcome {
  const decision = cache.lookup(request, now);
  const { kind } = decision;
  if (kind === 'hit' || kind === 'notModified' || kind === 'partial' || kind === 'unsatisfiable') {
    return answered(decision, kind, false);
  }
  if (kind === 'gatewayTimeout') return { ...answered(decision, kind, false), status: 504 };
  if (kind === 'follow') throw new Error('a test that follows has to say how');
  return forward(cache, decision, reply, responseTime);
}

/** Goes on with a decision that forwards. */
export function forward(
  cache: HttpCache,
  decision: CacheDecision,
  reply: Reply | undefined,
  now: number,
): Outcome {
  const conditional = [...decision.conditionalFields];
  if (reply === undefined) {
    const stale = cache.failed(decision, now);
    cache.finished(decision);
    if (stale !== undefined) return { ...answered(stale, 'stale', true), conditional };
    return {
      kind: 'failed',
      status: 502,
      fields: [],
      body: '',
      cacheStatus: '',
      age: -1,
      forwarded: true,
      conditional,
    };
  }
  const response = { status: reply.status ?? 200, reason: '', fields: reply.fields ?? [] };
  const plan = cache.responded(decision, response, now);
  if (plan.action === 'serve' && plan.decision !== undefined) {
    cache.finished(decision);
    return { ...answered(plan.decision, 'serve', true), conditional };
  }
  const body = reply.body ?? 'body';
  if (plan.writer !== undefined) {
    plan.writer.write(Buffer.from(body, 'latin1'), true);
    plan.writer.end();
  }
  if (plan.action === 'relay') cache.finished(decision);
  return {
    kind: plan.action,
    status: response.status,
    fields: response.fields,
    body,
    cacheStatus: plan.cacheStatus,
    age: -1,
    forwarded: true,
    conditional,
  };
}

/** Stores one response and asserts nothing. */
export function put(
  cache: HttpCache,
  target: string,
  fields: readonly string[],
  body = 'body',
  now = START,
): Outcome {
  return exchange(cache, get(target), now, { fields, body });
}

/** Notes everything that happens to a follower. */
export class RecordingSink {
  readonly events: string[] = [];
  body = '';
  status = 0;
  released: CacheDecision | undefined = undefined;
  /** While false, nothing is read: a client that does not keep up. */
  reading = true;

  followerHead(_follower: Follower, decision: CacheDecision): void {
    this.status = decision.status;
    this.events.push(`head ${decision.kind}`);
  }

  followerReadable(follower: Follower): void {
    if (this.reading) this.drain(follower);
  }

  drain(follower: Follower): void {
    for (let chunk = follower.read(); chunk !== undefined; chunk = follower.read()) {
      this.body += Buffer.from(chunk).toString('latin1');
    }
    if (follower.ended && this.events.at(-1) !== 'end') this.events.push('end');
  }

  followerReleased(_follower: Follower, decision: CacheDecision): void {
    this.released = decision;
    this.events.push(decision.leader ? 'released leader' : 'released');
  }

  followerFailed(_follower: Follower, reason: FollowerFailure): void {
    this.events.push(`failed ${reason}`);
  }
}
