import type { CacheRequest } from './messages.ts';
import type { RequestView } from './requestView.ts';

/** What is kept out of the cache; see `CacheOptions`. */
export interface ExclusionPolicy {
  readonly excludeTarget: (target: string) => boolean;
  readonly excludeCookies: readonly string[];
}

/** Requests in which the cache has no part. */
export class Exclusions {
  readonly #policy: ExclusionPolicy;

  constructor(policy: ExclusionPolicy) {
    this.#policy = policy;
  }

  /** Why the request is excluded, as a token for `detail`; empty when it is not. */
  reason(request: CacheRequest, view: RequestView): string {
    // Content, or a method other than the one in the key, can change the response without being in the key:
    // a way to poison what others get.
    if (view.unkeyedInput) return 'unkeyed-input';
    if (this.#policy.excludeTarget(request.target)) return 'excluded-path';
    const names = this.#policy.excludeCookies;
    if (names.length > 0 && view.cookie !== undefined && hasCookie(view.cookie, names)) {
      return 'excluded-cookie';
    }
    return '';
  }
}

/** Whether a `Cookie` value has a cookie of one of the names (RFC 6265 §4.2.1); names are case-sensitive. */
export function hasCookie(value: string, names: readonly string[]): boolean {
  for (const pair of value.split(';')) {
    const equals = pair.indexOf('=');
    if (names.includes((equals < 0 ? pair : pair.slice(0, equals)).trim())) return true;
  }
  return false;
}
