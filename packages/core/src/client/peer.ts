import { ForwardingTail, type ForwardRequest } from '@rp/parser';

/** `ForwardRequest`, with the id that changes from request to request. */
type Rules = { -readonly [K in keyof ForwardRequest]: ForwardRequest[K] };

/** What is known of a client connection once it is accepted. */
export class ClientPeer {
  readonly address: string;
  readonly secure: boolean;
  readonly trusted: boolean;
  readonly #rules: Rules;

  constructor(parts: {
    address: string;
    localPort: number;
    secure: boolean;
    trusted: boolean;
    via: string;
    forwarded: boolean;
  }) {
    this.address = parts.address;
    this.secure = parts.secure;
    this.trusted = parts.trusted;
    const proto = parts.secure ? 'https' : 'http';
    this.#rules = {
      client: parts.address,
      proto,
      port: parts.localPort,
      trusted: parts.trusted,
      requestId: '',
      viaName: parts.via,
      forwarded: parts.forwarded,
      ...(parts.trusted ? {} : { tail: new ForwardingTail(parts.address, proto, parts.localPort) }),
    };
  }

  /** The same object each time, with the id of the request at hand: it is used up before the next request. */
  forwardRules(requestId: string): ForwardRequest {
    this.#rules.requestId = requestId;
    return this.#rules;
  }
}
