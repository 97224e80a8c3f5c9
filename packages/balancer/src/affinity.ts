import { BalancerError, checkedInteger } from './error.ts';

/** Keeps a client with its backend while that can be picked. */
export type AffinityOptions = CookieAffinityOptions | AddressAffinityOptions;

/** By client address: the same as the algorithm `ip-hash`, which it replaces the configured one with. */
export interface AddressAffinityOptions {
  readonly by: 'address';
}

/** By a cookie that names the backend. */
export interface CookieAffinityOptions {
  readonly by: 'cookie';
  /** Name of the cookie, a token of RFC 9110; default `rp_backend`. */
  readonly name?: string;
  /** `Path` of the cookie; default `/`. */
  readonly path?: string;
  /** `Max-Age` in seconds, 0 to 31,536,000; 0 (default): until the browser closes. */
  readonly maxAge?: number;
  /** Adds `Secure`; default true: without it the cookie leaves over clear text too. */
  readonly secure?: boolean;
  /** Default `Lax`. `None` is refused by browsers without `secure`. */
  readonly sameSite?: 'Strict' | 'Lax' | 'None';
}

const tokenPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** The cookie of a group: reads it from requests and writes it for responses (RFC 6265). */
export class AffinityCookie {
  readonly name: string;
  readonly #attributes: string;

  /** @throws {BalancerError} `invalidOption` for a name or path that a cookie cannot have */
  constructor(options: CookieAffinityOptions) {
    const { name = 'rp_backend', path = '/', maxAge = 0, secure = true, sameSite = 'Lax' } = options;
    if (!tokenPattern.test(name)) {
      throw new BalancerError('invalidOption', `affinity.name must be a token, found ${name}`);
    }
    if (!/^\/[\x21-\x3a\x3c-\x7e]*$/.test(path)) {
      throw new BalancerError('invalidOption', `affinity.path must be a path without ";", found ${path}`);
    }
    checkedInteger('affinity.maxAge', maxAge, 0, 31_536_000);
    this.name = name;
    const age = maxAge > 0 ? `; Max-Age=${maxAge}` : '';
    this.#attributes = `; Path=${path}${age}; HttpOnly; SameSite=${sameSite}${secure ? '; Secure' : ''}`;
  }

  /**
   * The value of the cookie in a raw `Cookie` field. A text without `=` is taken as the value itself.
   *
   * @returns `undefined` when the cookie is not there; the first one counts when it is there twice
   */
  read(field: string): string | undefined {
    if (!field.includes('=')) return field;
    const { name } = this;
    for (let at = 0; at < field.length;) {
      while (field.charCodeAt(at) === 32 || field.charCodeAt(at) === 9) at++;
      let end = field.indexOf(';', at);
      if (end === -1) end = field.length;
      if (field.charCodeAt(at + name.length) === 61 && field.startsWith(name, at)) {
        return field.slice(at + name.length + 1, end).trim();
      }
      at = end + 1;
    }
    return undefined;
  }

  /** The value of a `Set-Cookie` field that binds the client to the backend with this token. */
  write(token: string): string {
    return `${this.name}=${token}${this.#attributes}`;
  }
}
