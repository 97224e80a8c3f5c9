import { noIdentity, type ListenerPolicy } from '../listener-policy.ts';
import { ForwardingTail, type ForwardRequest } from '@rp/parser';

/** `ForwardRequest`, with the id that changes from request to request. */
type Rules = { -readonly [K in keyof ForwardRequest]: ForwardRequest[K] };

/** What is known of a client connection once it is accepted. */
export class ClientPeer {
  readonly address: string;
  readonly secure: boolean;
  readonly trusted: boolean;
  readonly policy: ListenerPolicy | undefined;
  /** Flat `name, value, …` that tells backends who the client is. */
  readonly identity: readonly string[];
  readonly #rules: Rules;

  constructor(parts: {
    address: string;
    localPort: number;
    secure: boolean;
    trusted: boolean;
    via: string;
    forwarded: boolean;
    /** Protocol version for `Via`, where the request's head does not say it. */
    version?: string;
    policy?: ListenerPolicy | undefined;
    identity?: readonly string[];
  }) {
    this.address = parts.address;
    this.secure = parts.secure;
    this.trusted = parts.trusted;
    this.policy = parts.policy;
    this.identity = parts.identity ?? noIdentity;
    const proto = parts.secure ? 'https' : 'http';
    this.#rules = {
      client: parts.address,
      proto,
      port: parts.localPort,
      trusted: parts.trusted,
      requestId: '',
      viaName: parts.via,
      forwarded: parts.forwarded,
      ...(parts.version === undefined ? {} : { version: parts.version }),
      ...(parts.trusted ? {} : { tail: new ForwardingTail(parts.address, proto, parts.localPort) }),
    };
  }

  /** The same object each time, with the id of the request at hand: it is used up before the next request. */
  forwardRules(requestId: string): ForwardRequest {
    this.#rules.requestId = requestId;
    return this.#rules;
  }
}
