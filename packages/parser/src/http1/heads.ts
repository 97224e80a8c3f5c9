import type { BodyFraming } from './events.ts';
import type { FieldId } from './field-id.ts';

/** What request and response heads have in common. */
export interface MessageHead {
  /** Minor version of HTTP/1 that the message says. */
  readonly minor: 0 | 1;
  /** Names and values in turn, as they came: case, order and repetition; values without outer white space. */
  fields: string[];
  /** Which known field each one is: `ids[i]` belongs to `fields[2 * i]`. */
  ids: FieldId[];
  framing: BodyFraming;
  /** Bytes of the body if `framing` is `length`, else -1. */
  contentLength: number;
  /** May the connection carry another message after this one (RFC 9112 §9.3). */
  keepAlive: boolean;
  /** Protocols of `Upgrade`, if `Connection` names it and the version is 1.1 (RFC 9110 §7.8); else `''`. */
  upgrade: string;
}

/** The head of a request. A fresh object for every message: it may outlive the parse. */
export class RequestHead implements MessageHead {
  /** Case-sensitive (RFC 9110 §9.1). */
  method: string;
  /** The request target exactly as it came. */
  target: string;
  readonly minor: 0 | 1;
  fields: string[];
  ids: FieldId[];
  framing: BodyFraming;
  contentLength: number;
  /**
   * The authority that the request is for: that of an absolute-form or authority-form target, else `Host`;
   * `''` for HTTP/1.0 without `Host`. Valid, case as it came, with the port if one was given.
   */
  host: string;
  /** What is matched and forwarded: path and query of an absolute-form target, else the target as it came. */
  path: string;
  keepAlive: boolean;
  upgrade: string;
  /** The client waits for a 100 before it sends the body (RFC 9110 §10.1.1). */
  expectContinue: boolean;

  constructor(
    method: string,
    target: string,
    minor: 0 | 1,
    fields: string[],
    ids: FieldId[],
    framing: BodyFraming,
    contentLength: number,
    host: string,
    path: string,
    keepAlive: boolean,
    upgrade: string,
    expectContinue: boolean,
  ) {
    this.method = method;
    this.target = target;
    this.minor = minor;
    this.fields = fields;
    this.ids = ids;
    this.framing = framing;
    this.contentLength = contentLength;
    this.host = host;
    this.path = path;
    this.keepAlive = keepAlive;
    this.upgrade = upgrade;
    this.expectContinue = expectContinue;
  }
}

/** The head of a response, interim ones (1xx) included. A fresh object for every message. */
export class ResponseHead implements MessageHead {
  /** 100 to 599. */
  status: number;
  /** Reason phrase, maybe empty. */
  reason: string;
  readonly minor: 0 | 1;
  fields: string[];
  ids: FieldId[];
  framing: BodyFraming;
  contentLength: number;
  keepAlive: boolean;
  upgrade: string;

  constructor(
    status: number,
    reason: string,
    minor: 0 | 1,
    fields: string[],
    ids: FieldId[],
    framing: BodyFraming,
    contentLength: number,
    keepAlive: boolean,
    upgrade: string,
  ) {
    this.status = status;
    this.reason = reason;
    this.minor = minor;
    this.fields = fields;
    this.ids = ids;
    this.framing = framing;
    this.contentLength = contentLength;
    this.keepAlive = keepAlive;
    this.upgrade = upgrade;
  }
}

/** The fields of a message, however it came. */
export type FieldSource = Pick<MessageHead, 'fields' | 'ids'>;

/** The first value of a known field. */
export function fieldValue(head: FieldSource, id: FieldId): string | undefined {
  const at = head.ids.indexOf(id);
  return at === -1 ? undefined : head.fields[at * 2 + 1];
}

/** Every value of a known field, in order. */
export function fieldValues(head: FieldSource, id: FieldId): string[] {
  const values: string[] = [];
  for (let at = head.ids.indexOf(id); at !== -1; at = head.ids.indexOf(id, at + 1)) {
    values.push(head.fields[at * 2 + 1] as string);
  }
  return values;
}

/** The values of a list field as one (RFC 9110 §5.3); undefined if the field is absent. */
export function joinedValue(head: FieldSource, id: FieldId): string | undefined {
  const first = head.ids.indexOf(id);
  if (first === -1) return undefined;
  let joined = head.fields[first * 2 + 1] as string;
  for (let at = head.ids.indexOf(id, first + 1); at !== -1; at = head.ids.indexOf(id, at + 1)) {
    joined += `, ${head.fields[at * 2 + 1] as string}`;
  }
  return joined;
}
