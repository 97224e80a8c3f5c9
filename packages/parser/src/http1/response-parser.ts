import {
  connectionBits,
  ConnectionOption,
  isPersistent,
  upgradeProtocols,
  withoutNamed,
} from './connection.ts';
import { BodyFraming } from './events.ts';
import type { WireFailureCode } from './failure.ts';
import { isReasonPhrase } from './field-syntax.ts';
import { responseFraming } from './framing.ts';
import type { HeadBuffer } from './head-buffer.ts';
import { ResponseMemo } from './head-memo.ts';
import { ResponseHead } from './heads.ts';
import { fieldExcess, type WireLimits } from './limits.ts';
import { Errno, ParserType, Span } from './llhttp.ts';
import { MessageParser } from './message-parser.ts';
import { framingFault } from './request-parser.ts';

/** Parses the responses of one backend connection. */
export class ResponseParser extends MessageParser {
  /** The head of the current message: set at `head`, kept until the next one. */
  head: ResponseHead | undefined;
  /** Method of the request that is to be answered; `''` if none is. */
  #method: string;
  readonly #memo: ResponseMemo = new ResponseMemo();

  /** @param limits over the defaults of {@link WireLimits} */
  constructor(limits?: Partial<WireLimits>) {
    super(ParserType.response, 'backend', limits);
    this.head = undefined;
    this.#method = '';
  }

  /**
   * Says that a request with this method was sent, which decides whether its response has a body
   * (RFC 9112 §6.3). To be called before every response; interim responses (1xx) do not use it up. Bytes
   * that no request asked for are refused: that is how response queues are poisoned.
   */
  expect(method: string): void {
    this.#method = method;
  }

  override reset(): void {
    super.reset();
    this.head = undefined;
    this.#method = '';
  }

  protected override admit(): WireFailureCode | undefined {
    return this.#method === '' ? 'ERR_RESPONSE_UNEXPECTED' : undefined;
  }

  protected override messageEnded(): void {
    if (this.trailers !== undefined) this.trailers = withoutNamed(this.trailers, this.head!);
    const status = this.head?.status ?? 0;
    if (status >= 200 || status === 101) this.#method = '';
  }

  protected override recall(chunk: Buffer, start: number, end: number): ResponseHead | undefined {
    const head = this.#memo.recall(chunk, start, end, this.#method);
    if (head !== undefined) {
      this.head = head;
      this.position = start + this.#memo.length;
    }
    return head;
  }

  protected override remember(text: string): void {
    this.#memo.remember(text, this.#method, this.head!);
  }

  protected override readHead(
    text: string,
    bytes: Uint8Array,
    origin: number,
  ): ResponseHead | WireFailureCode {
    const { tape, used } = this.machine;
    const { limits } = this;
    const first = used > 0 && tape[0] === Span.status ? 3 : 0;
    if (text.length - 2 > limits.headerBytes || (used - first) / 6 > limits.headerCount)
      return 'ERR_FIELDS_TOO_LARGE';
    if (limits.fieldBytes < limits.headerBytes && this.longestField() > limits.fieldBytes) {
      return 'ERR_FIELDS_TOO_LARGE';
    }
    // llhttp also takes HTTP/0.9, HTTP/2.0, RTSP and Icecast.
    const digit = text.charCodeAt(7);
    if (!text.startsWith('HTTP/1.') || (digit !== 0x30 && digit !== 0x31)) return 'ERR_BAD_STATUS_LINE';
    const status = this.machine.exports.llhttp_get_status_code(this.parser);
    const reasonAt = first === 0 ? 0 : (tape[1] as number) - origin;
    const reason = first === 0 ? '' : text.slice(reasonAt, reasonAt + (tape[2] as number));
    // 600 to 999 are no status codes, but some servers say them: relayed, and taken as 5xx (RFC 9110 §15).
    if (status < 100 || status > 999 || !isReasonPhrase(reason)) return 'ERR_BAD_STATUS_LINE';
    this.reader.read(text, bytes, origin, tape, first, used);
    return this.#decide(status, reason, digit === 0x30 ? 0 : 1);
  }

  #decide(status: number, reason: string, minor: 0 | 1): ResponseHead | WireFailureCode {
    const { reader } = this;
    const { framing, contentLength, fault } = responseFraming(
      this.#method,
      status,
      minor,
      reader.transferEncoding,
      reader.contentLength,
    );
    if (fault !== undefined) return fault;
    const bits = reader.connection === undefined ? 0 : connectionBits(reader.connection);
    const upgrades = minor === 1 && (bits & ConnectionOption.upgrade) !== 0 && reader.upgrade !== undefined;
    this.head = new ResponseHead(
      status,
      reason,
      minor,
      reader.lines,
      reader.ids,
      framing,
      contentLength,
      framing !== BodyFraming.close && isPersistent(minor, bits),
      upgrades ? upgradeProtocols(reader.upgrade as string) : '',
    );
    return this.head;
  }

  protected override earlyFault(head: HeadBuffer, length: number): WireFailureCode | undefined {
    return fieldExcess(this.limits, head, length - 1);
  }

  protected override describe(errno: number, head: HeadBuffer): WireFailureCode {
    if (errno === Errno.user) return 'ERR_FIELDS_TOO_LARGE';
    return head.hasStartLine ? framingFault(errno, head.text(), head) : 'ERR_BAD_STATUS_LINE';
  }
}
