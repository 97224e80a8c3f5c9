import { ForwardingTail, checkedField, type RequestHead, type ResponseHead } from '@rp/parser';
import type { LocalAnswer } from '../answers.ts';
import type { ForwardRules } from '../forward-rules.ts';
import { ProxyFailure } from '../failure.ts';
import { noIdentity, type ListenerPolicy } from '../listener-policy.ts';
import type { ConnectionEnds } from '../proxy-protocol.ts';
import type { Forwarding } from '../settings.ts';

/** `ForwardRules`, with the id that changes from request to request. */
type Rules = { -readonly [K in keyof ForwardRules]: ForwardRules[K] };

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
    ends: ConnectionEnds;
    secure: boolean;
    trusted: boolean;
    forwarding: Forwarding;
    /** Protocol version for `Via`, where the request's head does not say it. */
    version?: string;
    policy?: ListenerPolicy | undefined;
    identity?: readonly string[];
  }) {
    const { address, port, localAddress, localPort } = parts.ends;
    const { forwarding } = parts;
    this.address = address;
    this.secure = parts.secure;
    this.trusted = parts.trusted;
    this.policy = parts.policy;
    this.identity = parts.identity ?? noIdentity;
    const proto = parts.secure ? 'https' : 'http';
    this.#rules = {
      client: address,
      clientPort: port,
      localAddress,
      proto,
      port: localPort,
      trusted: parts.trusted,
      requestId: '',
      requestIdPolicy: forwarding.requestId,
      viaName: forwarding.via,
      forwarded: forwarding.forwarded,
      xForwarded: forwarding.xForwarded,
      ...(parts.version === undefined ? {} : { version: parts.version }),
      ...(parts.trusted ? {} : { tail: new ForwardingTail(address, proto, localPort) }),
    };
  }

  /** The same object each time, with the id of the request at hand: it is used up before the next request. */
  forwardRules(requestId: string): ForwardRules {
    this.#rules.requestId = requestId;
    return this.#rules;
  }

  /** What the listener lets a request pass with; an answer ends it. */
  admit(request: RequestHead): LocalAnswer | ProxyFailure | undefined {
    // A gateway that ended TLS may say so; anybody else asks for what this connection cannot give (RFC 9110 §7.4).
    if (request.target !== request.path && !this.secure && !this.trusted && /^https:/i.test(request.target))
      return new ProxyFailure('MISDIRECTED', 'https without TLS');
    return this.policy?.admit?.(request, this.identity);
  }

  /** Checked lines that the listener adds to a response. `head`: the backend's, if it has one. */
  responseLines(request: RequestHead | undefined, head: ResponseHead | undefined): string {
    if (this.policy?.responseFields === undefined || request === undefined) return '';
    const fields = this.policy.responseFields(request, head);
    let lines = '';
    for (let i = 0; i + 1 < fields.length; i += 2) lines += checkedField(fields[i]!, fields[i + 1]!);
    return lines;
  }

  /** The same for an answer of the proxy's own. */
  completed(answer: LocalAnswer, request: RequestHead | undefined): LocalAnswer {
    if (this.policy?.responseFields === undefined || request === undefined) return answer;
    return {
      ...answer,
      fields: [...(answer.fields ?? []), ...this.policy.responseFields(request, undefined)],
    };
  }
}
