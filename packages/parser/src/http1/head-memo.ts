import { BodyFraming } from './events.ts';
import { RequestHead, ResponseHead } from './heads.ts';
import { FieldLines } from './field-lines.ts';
import { inOnePiece, latin1 } from './latin1.ts';
import type { WireLimits } from './limits.ts';

/*
 * Heads repeat: a client that polls, a health check, an API client or a load balancer in front sends the same bytes
 * again and again, and a backend answers them with the same head for as long as its Date does not change. Parsing is a
 * function of the bytes (and of the limits, and for responses of the method), so a head that comes again byte for byte
 * is not parsed again. Who never repeats a head pays for a comparison now and then.
 */

/** Longer heads are not worth their memory. */
const MAX_LENGTH = 2_048;
const SLOTS = 128;

class KnownRequest {
  readonly text: string;
  readonly limits: WireLimits;
  readonly head: RequestHead;

  constructor(text: string, limits: WireLimits, head: RequestHead) {
    this.text = text;
    this.limits = limits;
    this.head = copyOfRequest(head);
  }
}

/** The last request heads of a thread without body, one for each length: at most 256 KiB of text. */
export class RequestMemo {
  readonly #known: (KnownRequest | undefined)[] = Array.from({ length: SLOTS }, () => undefined);

  /** The head that is exactly `chunk[start..end)`, if it came before. */
  recall(chunk: Buffer, start: number, end: number, limits: WireLimits): RequestHead | undefined {
    const length = end - start;
    if (length > MAX_LENGTH) return undefined;
    const known = this.#known[length % SLOTS];
    if (known === undefined || known.text.length !== length) return undefined;
    if (known.limits !== limits && !sameLimits(known.limits, limits)) return undefined;
    if (latin1(chunk, start, end) !== known.text) return undefined;
    const head = copyOfRequest(known.head);
    head.lines!.repeated = true;
    return head;
  }

  /** @param head just parsed, nobody has seen it yet */
  remember(text: string, limits: WireLimits, head: RequestHead): void {
    if (head.framing !== BodyFraming.none || text.length > MAX_LENGTH) return;
    this.#known[text.length % SLOTS] = new KnownRequest(text, limits, head);
  }
}

/** Misses in a row after which only every `RARELY`th head is compared. */
const PATIENCE = 8;
const RARELY = 32;

/** The last response head of one backend connection. */
export class ResponseMemo {
  #text = '';
  #method = '';
  #head: ResponseHead | undefined = undefined;
  #misses = 0;

  /** The head that `chunk[start..end)` begins with, if it is the last one once more. */
  recall(chunk: Buffer, start: number, end: number, method: string): ResponseHead | undefined {
    const last = this.#head;
    const { length } = this.#text;
    if (last === undefined || length > end - start || method !== this.#method) return undefined;
    if (this.#misses > PATIENCE && this.#misses % RARELY !== 0) {
      this.#misses++;
      return undefined;
    }
    if (latin1(chunk, start, start + length) !== this.#text) {
      this.#misses++;
      return undefined;
    }
    this.#misses = 0;
    last.lines!.repeated = true;
    return copyOfResponse(last);
  }

  /** Bytes of the head that {@link recall} found. */
  get length(): number {
    return this.#text.length;
  }

  /** @param head just parsed, nobody has seen it yet */
  remember(text: string, method: string, head: ResponseHead): void {
    const counted = head.framing === BodyFraming.none || head.framing === BodyFraming.length;
    if (!counted || head.status < 200 || text.length > MAX_LENGTH) {
      this.#head = undefined;
      return;
    }
    this.#text = text;
    this.#method = method;
    this.#head = copyOfResponse(head);
  }
}

/** The head of a request that did not come as text and is expected to come again: each copy is a head of its own. */
export class RepeatedRequest {
  readonly #head: RequestHead;

  constructor(head: RequestHead) {
    const marks: number[] = [];
    let text = '';
    for (let i = 0; i < head.ids.length; i++) {
      const [name, value] = [head.nameAt(i), head.valueAt(i)];
      const at = text.length;
      marks.push(at, at + name.length, at + name.length + 2, at + name.length + 2 + value.length);
      text += `${name}: ${value}\r\n`;
    }
    const lines = new FieldLines(inOnePiece(`${text}\r\n`), marks, true);
    lines.repeated = true;
    this.#head = copyOfRequest(head, lines);
  }

  copy(): RequestHead {
    return copyOfRequest(this.#head);
  }
}

/** What one parser took another may have to refuse. */
function sameLimits(one: WireLimits, other: WireLimits): boolean {
  return (
    one.requestLine === other.requestLine &&
    one.headerBytes === other.headerBytes &&
    one.headerCount === other.headerCount &&
    one.fieldBytes === other.fieldBytes
  );
}

/** Shares what never changes: whoever changes the fields of a head gets arrays of its own first. */
function copyOfRequest(head: RequestHead, lines: FieldLines = head.lines!): RequestHead {
  return new RequestHead(
    head.method,
    head.target,
    head.minor,
    lines,
    lines === head.lines ? head.ids : head.ids.slice(),
    head.framing,
    head.contentLength,
    head.host,
    head.path,
    head.keepAlive,
    head.upgrade,
    head.expectContinue,
  );
}

function copyOfResponse(head: ResponseHead): ResponseHead {
  return new ResponseHead(
    head.status,
    head.reason,
    head.minor,
    head.lines!,
    head.ids,
    head.framing,
    head.contentLength,
    head.keepAlive,
    head.upgrade,
  );
}
