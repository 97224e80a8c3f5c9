import { AttemptOutcome, type PoolFailure } from './contracts.ts';
import { ProxyFailure } from './failure.ts';

/** What a failed attempt says about the health of its backend. */
export function outcomeOf(failure: ProxyFailure): AttemptOutcome {
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

/** The failure of an exchange whose pool had no connection for it. */
export function failureOf(failure: PoolFailure): ProxyFailure {
  if (failure.cause instanceof ProxyFailure) return failure.cause;
  switch (failure.code) {
    case 'POOL_CONNECT_FAILED':
    case 'POOL_BACKOFF':
      return new ProxyFailure('BACKEND_REFUSED', failure.code, failure);
    default:
      return new ProxyFailure('POOL_EXHAUSTED', failure.code, failure);
  }
}
