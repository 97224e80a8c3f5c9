import type { BackendOptions, UpstreamGroupChange } from '@rp/balancer';
import type {
  Affinity,
  Backend,
  BackendUrl,
  CircuitBreaker,
  PassiveHealth,
  Upstream,
} from '../config/index.ts';

/** The configuration of an upstream in the words of `@rp/balancer`. */
export function groupOptions(
  upstream: Upstream,
  backends: readonly BackendOptions[],
): UpstreamGroupChange & { backends: readonly BackendOptions[] } {
  const { algorithm, adaptiveWeights, affinity, passiveHealth, circuitBreaker, retry, allDown } = upstream;
  return {
    backends,
    algorithm,
    adaptiveWeights,
    affinity: affinity === null ? 'none' : affinityOptions(affinity),
    failures: {
      status5xx: passiveHealth.count5xx,
      slowMs: passiveHealth.maxLatency,
      windowMs: passiveHealth.window,
    },
    ejection: ejectionOptions(passiveHealth),
    circuitBreaker: circuitBreaker === null ? false : breakerOptions(circuitBreaker),
    slowStart:
      upstream.slowStart === 0
        ? false
        : { windowMs: upstream.slowStart, minimumShare: upstream.slowStartShare },
    retry: { attempts: retry.attempts, baseDelayMs: retry.backoff, maxDelayMs: retry.maxBackoff },
    retryBudget: { ratio: retry.budget, minimumPerSecond: retry.minimumPerSecond, burst: retry.burst },
    allDown,
  };
}

/** A backend in the words of `@rp/balancer`. */
export function backendOptions(backend: Backend): BackendOptions {
  return { url: backendUrl(backend.url, backend.url.host), weight: backend.weight };
}

/** The URL of a backend at another of its addresses. */
export function backendUrl({ protocol, port }: BackendUrl, host: string): string {
  return `${protocol}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function affinityOptions(affinity: Affinity): NonNullable<UpstreamGroupChange['affinity']> {
  if (affinity.by === 'ip') return { by: 'address' };
  // The engine adds `Secure` for those who come by TLS: others would never send the cookie back.
  const { cookie: name, path, sameSite } = affinity;
  return { by: 'cookie', name, path, sameSite, maxAge: Math.ceil(affinity.ttl / 1000), secure: false };
}

function ejectionOptions(passive: PassiveHealth): NonNullable<UpstreamGroupChange['ejection']> {
  if (!passive.enabled) return false;
  return {
    consecutiveFailures: passive.failureThreshold,
    errorRate: passive.failureRate,
    minimumRequests: passive.minimumRequests,
    growth: passive.growth,
    forgetMs: passive.forgetAfter,
    baseMs: passive.ejectionTime,
    maxMs: passive.maxEjectionTime,
    maxEjectionPercent: Math.round(passive.maxEjectionPercent * 100),
  };
}

function breakerOptions(breaker: CircuitBreaker): NonNullable<UpstreamGroupChange['circuitBreaker']> {
  return {
    // Only the rate counts, and never fewer requests than `minimumRequests`; ejection looks at failures in a row.
    consecutiveFailures: 1_000,
    errorRate: breaker.failureRate,
    minimumRequests: breaker.minimumRequests,
    openMs: breaker.openTime,
    maxOpenMs: breaker.maxOpenTime,
    halfOpenTrials: breaker.halfOpenTrials,
    successThreshold: breaker.halfOpenTrials,
  };
}
