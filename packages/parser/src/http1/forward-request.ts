import { connectionOptions } from './connection.ts';
import { copyFields, isNamed, type FieldRewriter } from './copy-fields.ts';
import { BodyFraming } from './events.ts';
import { FieldId, isNeverForwarded } from './field-id.ts';
import { ForwardedRequest } from './forwarded-request.ts';
import { parseContentLength } from './framing.ts';
import { joinedValue, type RequestHead } from './heads.ts';
import { inOnePiece } from './latin1.ts';

/** What becomes of a request's `X-Request-Id`. */
export type RequestIdPolicy = 'keep' | 'new' | 'off';

/** What the proxy adds to a request, and what it keeps of it. */
export interface ForwardRequest {
  /** Address of the client, without a port. */
  readonly client: string;
  /** Protocol that the client spoke to us. */
  readonly proto: 'http' | 'https';
  /** Local port that the client connected to. */
  readonly port: number;
  /**
   * The immediate peer is a trusted proxy: its forwarding fields are kept and added to. Otherwise they are
   * dropped, since anybody can write them. There is no default: a wrong one is a security hole.
   */
  readonly trusted: boolean;
  /** Request id of our own; used as `requestIdPolicy` says. `''` adds none. */
  readonly requestId: string;
  /**
   * What becomes of `X-Request-Id`: `keep` (default) keeps one from a trusted peer and replaces any other, `new`
   * replaces all, `off` lets pass what came and adds none.
   */
  readonly requestIdPolicy?: RequestIdPolicy;
  /**
   * Sends `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`. Default true. Without, those of a trusted peer pass as
   * they came, and others are dropped all the same.
   */
  readonly xForwarded?: boolean;
  /** Pseudonym of this proxy in `Via` (RFC 9110 §7.6.3). */
  readonly viaName: string;
  /** Also send `Forwarded` (RFC 7239). */
  readonly forwarded: boolean;
  /** Sent as `Host` instead of what the client asked for. */
  readonly host?: string;
  /** Protocol version that the request came by, for `Via`. Default: `1.` and the minor version of the head. */
  readonly version?: string;
  /** The constant part, made once for a client connection that is not trusted. Default: made each time. */
  readonly tail?: ForwardingTail;
}

/**
 * The `X-Forwarded-*` lines for one client connection. They only change with the host, so they are made
 * once for each change of it.
 */
export class ForwardingTail {
  readonly #client: string;
  readonly #proto: 'http' | 'https';
  readonly #port: number;
  #host: string | undefined;
  #lines: string;

  constructor(client: string, proto: 'http' | 'https', port: number) {
    this.#client = client;
    this.#proto = proto;
    this.#port = port;
    this.#host = undefined;
    this.#lines = '';
  }

  /** All lines, for a request to `host`; `''` leaves `X-Forwarded-Host` out. */
  lines(host: string): string {
    if (host !== this.#host) {
      this.#host = host;
      // In one piece it takes a third of the memory, which counts for connections that idle.
      this.#lines = inOnePiece(
        `X-Forwarded-For: ${this.#client}\r\nX-Forwarded-Proto: ${this.#proto}\r\n` +
          `${host === '' ? '' : `X-Forwarded-Host: ${host}\r\n`}X-Forwarded-Port: ${this.#port}\r\n`,
      );
    }
    return this.#lines;
  }
}

/**
 * The head of the request to the backend, whole, with the empty line. End-to-end fields keep name case,
 * order and value; there is exactly one framing, written by us (RFC 9112 §6).
 *
 * `Proxy-Authorization` is for a proxy that asked for it (RFC 9110 §11.7.2); a reverse proxy never does, and
 * does not hand the credentials to a backend.
 *
 * @param extra lines for the end, checked already (see {@link checkedField}), each with its CRLF; or `''`
 * @param connection what to say in `Connection`; `upgrade` also sends `head.upgrade`
 */
export function forwardRequestHead(
  head: RequestHead,
  rules: ForwardRequest,
  extra: string,
  connection: '' | 'close' | 'upgrade',
): string {
  const id = requestIdLine(head, rules);
  return `${knownPart(head, rules, connection)}${id}${extra}\r\n`;
}

/** All that stays the same where the same request comes again. */
function knownPart(head: RequestHead, rules: ForwardRequest, connection: '' | 'close' | 'upgrade'): string {
  const { lines } = head;
  if (lines?.repeated !== true) return makePart(head, rules, connection);
  const known = lines.forwardedRequest;
  if (known?.fits(head, rules, connection) === true) return known.text;
  const made = new ForwardedRequest(head, rules, connection, makePart(head, rules, connection));
  lines.forwardedRequest = made;
  return made.text;
}

function makePart(head: RequestHead, rules: ForwardRequest, connection: '' | 'close' | 'upgrade'): string {
  const { ids } = head;
  let out = `${head.method} ${head.path} HTTP/1.1\r\n`;
  // Only HTTP/1.0 requests, and those that came by HTTP/2, have none.
  if (ids.indexOf(FieldId.host) === -1) out += `Host: ${rules.host ?? head.host}\r\n`;
  const named = ids.indexOf(FieldId.connection) === -1 ? undefined : connectionOptions(head);
  out += copyFields(head, new RequestRewriter(rules, named));
  out += rules.trusted ? trustedTail(head, rules) : untrustedTail(head, rules);
  out += via(head, rules);
  if (head.framing === BodyFraming.chunked) out += 'Transfer-Encoding: chunked\r\n';
  // Whoever gave the head a body of its own need not have given it the field.
  else if (head.framing === BodyFraming.length && ids.indexOf(FieldId.contentLength) === -1) {
    out += `Content-Length: ${head.contentLength}\r\n`;
  }
  if (connection === 'close') out += 'Connection: close\r\n';
  else if (connection === 'upgrade') out += `Connection: upgrade\r\nUpgrade: ${head.upgrade}\r\n`;
  return out;
}

class RequestRewriter implements FieldRewriter<RequestHead> {
  readonly #rules: ForwardRequest;
  readonly #named: readonly string[] | undefined;

  constructor(rules: ForwardRequest, named: readonly string[] | undefined) {
    this.#rules = rules;
    this.#named = named;
  }

  rewrite(head: RequestHead, id: FieldId, index: number): string | undefined {
    if (id === FieldId.other) return isNamed(head, index, this.#named) ? '' : undefined;
    if (id > FieldId.maxForwards) return undefined;
    return isNeverForwarded(id) ? '' : this.#rewriteGuarded(head, id, index);
  }

  #rewriteGuarded(head: RequestHead, id: FieldId, index: number): string | undefined {
    const rules = this.#rules;
    switch (id) {
      case FieldId.host:
        return this.#rewriteHost(head, index);
      case FieldId.contentLength:
        if (head.framing !== BodyFraming.length || head.ids.indexOf(id) !== index) return '';
        return `${head.nameAt(index)}: ${head.contentLength}\r\n`;
      // Written anew at the end.
      case FieldId.via:
      case FieldId.proxyAuthorization:
        return '';
      case FieldId.xForwardedFor:
        return rules.trusted && rules.xForwarded === false ? undefined : '';
      case FieldId.forwarded:
        return rules.trusted && !rules.forwarded ? undefined : '';
      case FieldId.xRequestId:
        return passesRequestId(head, rules) ? undefined : '';
      case FieldId.expect:
        // Without meaning in HTTP/1.0 (RFC 9110 §10.1.1) or if empty: the backend is not to see one in it.
        return head.expectContinue ? undefined : '';
      case FieldId.maxForwards:
        return head.method === 'OPTIONS' ? oneForwardLess(head, index) : undefined;
      case FieldId.xForwardedProto:
      case FieldId.xForwardedHost:
      case FieldId.xForwardedPort:
      case FieldId.xRealIp:
        return rules.trusted ? undefined : '';
      default:
        return undefined;
    }
  }

  #rewriteHost(head: RequestHead, index: number): string | undefined {
    if (head.ids.indexOf(FieldId.host) !== index) return '';
    const host = this.#rules.host ?? head.host;
    return head.valueAt(index) === host ? undefined : `${head.nameAt(index)}: ${host}\r\n`;
  }
}

/** RFC 9110 §7.6.2. Zero never gets here: whoever forwards answers it. What is no number is nobody's business. */
function oneForwardLess(head: RequestHead, index: number): string | undefined {
  const left = parseContentLength(head.valueAt(index));
  return left > 0 ? `${head.nameAt(index)}: ${left - 1}\r\n` : undefined;
}

function untrustedTail(head: RequestHead, rules: ForwardRequest): string {
  const tail = rules.tail ?? new ForwardingTail(rules.client, rules.proto, rules.port);
  let out = rules.xForwarded === false ? '' : tail.lines(head.host);
  if (rules.forwarded) out += `Forwarded: ${forwardedElement(head, rules)}\r\n`;
  return out;
}

function trustedTail(head: RequestHead, rules: ForwardRequest): string {
  let out = rules.xForwarded === false ? '' : trustedForwarding(head, rules);
  if (rules.forwarded) {
    const elements = joinedValue(head, FieldId.forwarded);
    out += `Forwarded: ${elements ? `${elements}, ` : ''}${forwardedElement(head, rules)}\r\n`;
  }
  return out;
}

function requestIdLine(head: RequestHead, rules: ForwardRequest): string {
  if (rules.requestId === '' || passesRequestId(head, rules)) return '';
  return `X-Request-Id: ${rules.requestId}\r\n`;
}

/** Whether the request's own id goes on as it came. */
function passesRequestId(head: RequestHead, rules: ForwardRequest): boolean {
  const { requestIdPolicy = 'keep', trusted } = rules;
  if (requestIdPolicy === 'keep') return trusted && keptRequestId(head) !== undefined;
  return requestIdPolicy === 'off';
}

/** What earlier proxies said is added to. */
function trustedForwarding(head: RequestHead, rules: ForwardRequest): string {
  const { ids } = head;
  const before = joinedValue(head, FieldId.xForwardedFor);
  let out = `X-Forwarded-For: ${before ? `${before}, ` : ''}${rules.client}\r\n`;
  if (!ids.includes(FieldId.xForwardedProto)) out += `X-Forwarded-Proto: ${rules.proto}\r\n`;
  if (!ids.includes(FieldId.xForwardedHost) && head.host !== '') out += `X-Forwarded-Host: ${head.host}\r\n`;
  if (!ids.includes(FieldId.xForwardedPort)) out += `X-Forwarded-Port: ${rules.port}\r\n`;
  return out;
}

/** One element of `Forwarded` (RFC 7239 §4); an IPv6 address is bracketed and quoted (§6). */
function forwardedElement(head: RequestHead, rules: ForwardRequest): string {
  const client = rules.client.includes(':') ? `"[${rules.client}]"` : rules.client;
  const host = head.host === '' ? '' : `;host="${head.host}"`;
  return `for=${client}${host};proto=${rules.proto}`;
}

/** Via is one field, whatever came: earlier members stay in front (RFC 9110 §7.6.3). */
function via(head: RequestHead, rules: ForwardRequest): string {
  const before = joinedValue(head, FieldId.via);
  const version = rules.version ?? (head.minor === 1 ? '1.1' : '1.0');
  return `Via: ${before ? `${before}, ` : ''}${version} ${rules.viaName}\r\n`;
}

/** The request id that came, if exactly one did and it is safe to log: up to 128 characters of a URI's alphabet. */
export function keptRequestId(head: RequestHead): string | undefined {
  const value = joinedValue(head, FieldId.xRequestId);
  return value !== undefined && /^[A-Za-z0-9._~:/+=@-]{1,128}$/.test(value) ? value : undefined;
}
