import type { BodyFraming } from './events.ts';
import type { FieldId } from './field-id.ts';
import { FieldLines } from './field-lines.ts';

/** What request and response heads have in common. */
export abstract class MessageHead {
  /** Minor version of HTTP/1 that the message says. */
  readonly minor: 0 | 1;
  /** Which known field each one is: `ids[i]` belongs to `fields[2 * i]`. */
  ids: FieldId[];
  framing: BodyFraming;
  /** Bytes of the body if `framing` is `length`, else -1. */
  contentLength: number;
  /** May the connection carry another message after this one (RFC 9112 §9.3). */
  keepAlive: boolean;
  /** Protocols of `Upgrade`, if `Connection` names it and the version is 1.1 (RFC 9110 §7.8); else `''`. */
  upgrade: string;
  #lines: FieldLines | undefined;
  #fields: string[] | undefined;

  constructor(
    minor: 0 | 1,
    fields: string[] | FieldLines,
    ids: FieldId[],
    framing: BodyFraming,
    contentLength: number,
    keepAlive: boolean,
    upgrade: string,
  ) {
    this.minor = minor;
    this.ids = ids;
    this.framing = framing;
    this.contentLength = contentLength;
    this.keepAlive = keepAlive;
    this.upgrade = upgrade;
    this.#lines = fields instanceof FieldLines ? fields : undefined;
    this.#fields = fields instanceof FieldLines ? undefined : fields;
  }

  /**
   * Names and values in turn, as they came: case, order and repetition; values without outer white space.
   * May be changed, together with `ids`; see `setField` and its companions. To read one field, `fieldValue`
   * is cheaper: the strings of a parsed head are only made when this is first asked for.
   */
  get fields(): string[] {
    if (this.#fields === undefined) {
      this.#fields = this.#lines === undefined ? [] : this.#lines.cut();
      // From now on they may be changed, which must not reach a head that shares them (see head-memo.ts).
      if (this.#lines !== undefined) this.ids = this.ids.slice();
      this.#lines = undefined;
    }
    return this.#fields;
  }

  set fields(fields: string[]) {
    this.#fields = fields;
    this.#lines = undefined;
  }

  /**
   * The same as {@link fields}, but never to be changed: heads that came byte for byte alike share it. Asking for it
   * leaves {@link lines} in place, so that they can still be copied on in one piece.
   */
  get sharedFields(): readonly string[] {
    const lines = this.#lines;
    return lines === undefined ? this.fields : (lines.strings ??= lines.cut());
  }

  /** The field lines as they came, while nobody has asked for `fields`. */
  get lines(): FieldLines | undefined {
    return this.#lines;
  }

  /** Name of field `index`. */
  nameAt(index: number): string {
    return this.#lines === undefined ? (this.fields[index * 2] as string) : this.#lines.name(index);
  }

  /** Value of field `index`. */
  valueAt(index: number): string {
    return this.#lines === undefined ? (this.fields[index * 2 + 1] as string) : this.#lines.value(index);
  }
}

/** The head of a request. A fresh object for every message: it may outlive the parse. */
export class RequestHead extends MessageHead {
  /** Case-sensitive (RFC 9110 §9.1). */
  method: string;
  /** The request target exactly as it came. */
  target: string;
  /**
   * The authority that the request is for: that of an absolute-form or authority-form target, else `Host`;
   * `''` for HTTP/1.0 without `Host`. Valid, case as it came, with the port if one was given.
   */
  host: string;
  /** What is matched and forwarded: path and query of an absolute-form target, else the target as it came. */
  path: string;
  /** The client waits for a 100 before it sends the body (RFC 9110 §10.1.1). */
  expectContinue: boolean;

  constructor(
    method: string,
    target: string,
    minor: 0 | 1,
    fields: string[] | FieldLines,
    ids: FieldId[],
    framing: BodyFraming,
    contentLength: number,
    host: string,
    path: string,
    keepAlive: boolean,
    upgrade: string,
    expectContinue: boolean,
  ) {
    super(minor, fields, ids, framing, contentLength, keepAlive, upgrade);
    this.method = method;
    this.target = target;
    this.host = host;
    this.path = path;
    this.expectContinue = expectContinue;
  }
}

/** The head of a response, interim ones (1xx) included. A fresh object for every message. */
export class ResponseHead extends MessageHead {
  /** 100 to 599. */
  status: number;
  /** Reason phrase, maybe empty. */
  reason: string;
  /** 2 for a response that came by HTTP/2; `minor` says nothing then. */
  readonly major: 1 | 2;

  constructor(
    status: number,
    reason: string,
    minor: 0 | 1,
    fields: string[] | FieldLines,
    ids: FieldId[],
    framing: BodyFraming,
    contentLength: number,
    keepAlive: boolean,
    upgrade: string,
    major: 1 | 2 = 1,
  ) {
    super(minor, fields, ids, framing, contentLength, keepAlive, upgrade);
    this.status = status;
    this.reason = reason;
    this.major = major;
  }

  /** The version that the response came by, as `Via` says it (RFC 9110 §7.6.3). */
  get receivedProtocol(): '1.0' | '1.1' | '2.0' {
    if (this.major === 2) return '2.0';
    return this.minor === 1 ? '1.1' : '1.0';
  }
}

/** The fields of a message, however it came: a head, or arrays of one's own. */
export interface FieldSource {
  fields: string[];
  ids: FieldId[];
}

function valueOf(source: FieldSource, index: number): string {
  return source instanceof MessageHead ? source.valueAt(index) : (source.fields[index * 2 + 1] as string);
}

/** The first value of a known field. */
export function fieldValue(source: FieldSource, id: FieldId): string | undefined {
  const at = source.ids.indexOf(id);
  return at === -1 ? undefined : valueOf(source, at);
}

/** Every value of a known field, in order. */
export function fieldValues(source: FieldSource, id: FieldId): string[] {
  const values: string[] = [];
  for (let at = source.ids.indexOf(id); at !== -1; at = source.ids.indexOf(id, at + 1)) {
    values.push(valueOf(source, at));
  }
  return values;
}

/** The values of a list field as one (RFC 9110 §5.3); undefined if the field is absent. */
export function joinedValue(source: FieldSource, id: FieldId): string | undefined {
  const first = source.ids.indexOf(id);
  if (first === -1) return undefined;
  let joined = valueOf(source, first);
  for (let at = source.ids.indexOf(id, first + 1); at !== -1; at = source.ids.indexOf(id, at + 1)) {
    joined += `, ${valueOf(source, at)}`;
  }
  return joined;
}
