import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';

/** What is known of an admin request before anything is done for it. */
export interface AdminRequest {
  readonly method: string;
  readonly path: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** `Sec-Fetch-Site` */
  readonly fetchSite: string | undefined;
  readonly authorization: string | undefined;
}

/** A request that is turned away. */
export interface Refusal {
  readonly status: 401 | 403 | 421;
  readonly message: string;
}

/** They say whether we live and nothing else: health checks of platforms cannot send a token. */
const OPEN_PATHS = new Set(['/healthz', '/readyz']);

/**
 * Decides who may use the admin interface.
 *
 * - A token, where one is configured, must come with everything but `/healthz`, `/readyz` and the status page, which
 *   holds no data and asks for the token itself.
 * - Without a token, `Host` must be an address or `localhost`: a page on the operator's machine may point a name of its
 *   own at us (DNS rebinding), and would read our answers as its own.
 * - Changes are refused to pages of other origins, whose simple requests browsers send without asking (CSRF). Browsers
 *   say where such a request comes from; other clients say nothing and are no such danger.
 */
export class AdminGuard {
  readonly #digest: Buffer | null;
  readonly #host: string;

  /** @param host the configured address, allowed as `Host` too */
  constructor(token: string | null, host: string) {
    this.#digest = token === null ? null : sha256(token);
    this.#host = host.toLowerCase();
  }

  refusal(request: AdminRequest): Refusal | null {
    const changes = request.method !== 'GET' && request.method !== 'HEAD';
    if (changes && !isSameOrigin(request))
      return { status: 403, message: 'changes from other origins are refused' };
    if (this.#digest === null) {
      if (this.#mayBeHost(request.host)) return null;
      return { status: 421, message: 'use the address of the admin listener, or localhost' };
    }
    if (!changes && (OPEN_PATHS.has(request.path) || request.path === '/')) return null;
    if (this.#knows(request.authorization)) return null;
    return { status: 401, message: 'send the token of the admin section: Authorization: Bearer …' };
  }

  #knows(authorization: string | undefined): boolean {
    const token = /^Bearer +([!-~]+)$/iu.exec(authorization ?? '')?.[1];
    // Digests have one length, and comparing them tells nothing of the token by its time.
    return token !== undefined && this.#digest !== null && timingSafeEqual(sha256(token), this.#digest);
  }

  #mayBeHost(field: string | undefined): boolean {
    // HTTP/1.0 clients send none; browsers always do.
    if (field === undefined) return true;
    const host = field.replace(/:[0-9]*$/u, '').toLowerCase();
    const address = host.startsWith('[') ? host.slice(1, -1) : host;
    return isIP(address) !== 0 || host === 'localhost' || host === this.#host;
  }
}

function isSameOrigin({ host, origin, fetchSite }: AdminRequest): boolean {
  if (fetchSite !== undefined && fetchSite !== 'same-origin' && fetchSite !== 'none') return false;
  return origin === undefined || origin === `http://${host ?? ''}`;
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
