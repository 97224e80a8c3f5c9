import {
  connectionBits,
  ConnectionOption,
  isPersistent,
  upgradeProtocols,
  withoutNamed,
} from './connection.ts';
import type { WireFailureCode } from './failure.ts';
import { FieldId } from './field-id.ts';
import { requestFraming } from './framing.ts';
import type { HeadBuffer } from './head-buffer.ts';
import { RequestMemo } from './head-memo.ts';
import { RequestHead } from './heads.ts';
import { isAuthority } from './host.ts';
import { fieldExcess, type WireLimits } from './limits.ts';
import { Errno, ParserType, standInMethod } from './llhttp.ts';
import { MessageParser } from './message-parser.ts';
import { isNoted } from './read-fields.ts';
import { formOfTarget, isCleanAfterLlhttp, TargetForm, targetAuthority, targetPath } from './target.ts';

/** By llhttp's number; those of other protocols (Icecast, RTSP, the HTTP/2 preface) are left out: `''`. */
const methods: readonly string[] =
  'DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK UNLINK'.split(
    ' ',
  );
const query = 46;
const pri = 34;

function methodName(number: number): string {
  return number === query ? 'QUERY' : (methods[number] ?? '');
}

// The last Host that was found valid, of any connection: nearly always that of the next request. One for all, since
// it is a part of the text of a whole head, which it keeps in memory.
let validHost = '';

// One for all connections of a thread: the same request often comes by several.
const memo = new RequestMemo();

/** Parses the requests of one client connection. */
export class RequestParser extends MessageParser {
  /** The head of the current message: set at `head`, kept until the next one. */
  head: RequestHead | undefined;

  /** @param limits over the defaults of {@link WireLimits} */
  constructor(limits?: Partial<WireLimits>) {
    super(ParserType.request, 'client', limits);
    this.head = undefined;
  }

  override reset(): void {
    super.reset();
    this.head = undefined;
  }

  protected override admit(): undefined {
    return undefined;
  }

  protected override messageEnded(): void {
    if (this.trailers !== undefined) this.trailers = withoutNamed(this.trailers, this.head!);
  }

  protected override recall(chunk: Buffer, start: number, end: number): RequestHead | undefined {
    const head = memo.recall(chunk, start, end, this.limits);
    if (head !== undefined) {
      this.head = head;
      this.position = end;
    }
    return head;
  }

  protected override remember(text: string): void {
    memo.remember(text, this.limits, this.head!);
  }

  protected override readHead(
    text: string,
    bytes: Uint8Array,
    origin: number,
  ): RequestHead | WireFailureCode {
    const { tape, used } = this.machine;
    const targetAt = (tape[1] as number) - origin;
    const targetEnd = targetAt + (tape[2] as number);
    const fieldsAt = used > 3 ? (tape[4] as number) - origin : text.length - 2;
    const lineEnd = fieldsAt - 2;
    const { limits } = this;
    if (lineEnd > limits.requestLine) return 'ERR_REQUEST_LINE_TOO_LONG';
    if (text.length - 2 - fieldsAt > limits.headerBytes || (used - 3) / 6 > limits.headerCount) {
      return 'ERR_FIELDS_TOO_LARGE';
    }
    if (limits.fieldBytes < limits.headerBytes && this.longestField() > limits.fieldBytes) {
      return 'ERR_FIELDS_TOO_LARGE';
    }
    const method = methodName(this.#method()) || text.slice(0, text.indexOf(' '));
    // llhttp takes several spaces, other protocols' names and versions that are none of ours.
    if (targetAt !== method.length + 1) return 'ERR_BAD_REQUEST_LINE';
    if (targetEnd + 9 !== lineEnd || !text.startsWith(' HTTP/1.', targetEnd)) {
      return versionFault(text.slice(targetEnd, lineEnd));
    }
    const minor = text.charCodeAt(lineEnd - 1) === 0x30 ? 0 : 1;
    this.reader.read(text, bytes, origin, tape, 3, used);
    return this.#decide(method, text.slice(targetAt, targetEnd), minor);
  }

  #decide(method: string, target: string, minor: 0 | 1): RequestHead | WireFailureCode {
    const { reader } = this;
    const { framing, contentLength, fault } = requestFraming(
      minor,
      reader.transferEncoding,
      reader.contentLength,
    );
    if (fault !== undefined) return fault;
    // Content of a CONNECT has no meaning (RFC 9110 §9.3.6), and llhttp sees tunnel bytes in it.
    if (method === 'CONNECT' && reader.transferEncoding !== undefined) return 'ERR_BAD_TRANSFER_ENCODING';
    const form = isCleanAfterLlhttp(target) ? formOfTarget(method, target) : TargetForm.invalid;
    if (form === TargetForm.invalid) return 'ERR_BAD_TARGET';
    if (!this.#isHostValid(minor, form)) return 'ERR_BAD_HOST';
    // A server may ignore what it does not expect of HTTP/1.0 (RFC 9110 §10.1.1).
    const expects = minor === 1 && reader.expect !== undefined && reader.expect !== '';
    if (expects && reader.expect?.toLowerCase() !== '100-continue') return 'ERR_EXPECTATION_UNKNOWN';
    const bits = reader.connection === undefined ? 0 : connectionBits(reader.connection);
    const upgrades = minor === 1 && (bits & ConnectionOption.upgrade) !== 0 && reader.upgrade !== undefined;
    let host = reader.host;
    let path = target;
    if (form === TargetForm.absolute) {
      host = targetAuthority(target);
      path = targetPath(method, target);
    } else if (form === TargetForm.authority) host = target;
    this.head = new RequestHead(
      method,
      target,
      minor,
      reader.lines,
      reader.ids,
      framing,
      contentLength,
      host,
      path,
      isPersistent(minor, bits),
      upgrades ? upgradeProtocols(reader.upgrade as string) : '',
      expects,
    );
    return this.head;
  }

  /** RFC 9112 §3.2: exactly one, valid; HTTP/1.0 may do without; empty only where no authority is asked for. */
  #isHostValid(minor: 0 | 1, form: TargetForm): boolean {
    const { host, hosts } = this.reader;
    if (hosts !== 1) return hosts === 0 && minor === 0;
    if (host === '') return form === TargetForm.asterisk;
    // Nearly always the one of the request before.
    if (host === validHost) return true;
    if (!isAuthority(host)) return false;
    validHost = host;
    return true;
  }

  protected override earlyFault(head: HeadBuffer, length: number): WireFailureCode | undefined {
    const { limits } = this;
    // llhttp would go on to read the rest of the HTTP/2 preface.
    if (head.spans.length > 0 && this.#method() === pri) return 'ERR_VERSION_UNSUPPORTED';
    // llhttp takes a line without version for HTTP/0.9, and would go on to wait for fields.
    const fault = head.lineEnd === -1 ? undefined : this.#lineFault(head);
    if (fault !== undefined) return fault;
    // An unfinished line may end in the CR of its CRLF, the fields in that of the empty line.
    const lineLength = head.lineEnd === -1 || head.lineEnd >= length ? length - 1 : head.lineEnd - 1;
    if (lineLength > limits.requestLine) return 'ERR_REQUEST_LINE_TOO_LONG';
    return fieldExcess(limits, head, length - lineLength - 3);
  }

  /** A line that ends, and says no version that is ours. */
  #lineFault({ bytes, lineEnd }: HeadBuffer): WireFailureCode | undefined {
    const version = bytes.toString('latin1', Math.max(0, lineEnd - 10), Math.max(0, lineEnd - 1));
    return version.startsWith(' HTTP/') ? undefined : 'ERR_BAD_REQUEST_LINE';
  }

  #method(): number {
    return this.machine.exports.llhttp_get_method(this.parser);
  }

  protected override describe(errno: number, head: HeadBuffer): WireFailureCode | undefined {
    const method = this.#method();
    if (errno === Errno.invalidMethod) return undefined;
    if (errno === Errno.user) return 'ERR_FIELDS_TOO_LARGE';
    if (method === pri) return 'ERR_VERSION_UNSUPPORTED';
    if (errno === Errno.invalidUrl) return 'ERR_BAD_TARGET';
    const text = head.text();
    if (errno === Errno.invalidConstant) {
      // llhttp knows methods of RTSP, and takes them for RTSP alone.
      const foreign = methodName(method) === '' && method !== standInMethod;
      return foreign ? undefined : 'ERR_BAD_REQUEST_LINE';
    }
    if (errno === Errno.invalidVersion) return versionFault(text.slice(text.lastIndexOf(' ')));
    if (!head.hasStartLine) return 'ERR_BAD_REQUEST_LINE';
    return framingFault(errno, text, head);
  }
}

/** `version` is what stands after the target, from the space on. */
function versionFault(version: string): WireFailureCode {
  const match = /^ HTTP\/(\d)(?:\.(\d))?/.exec(version);
  if (match === null) return 'ERR_BAD_REQUEST_LINE';
  const supported = match[1] === '1' && (match[2] === undefined || match[2] === '0' || match[2] === '1');
  return supported ? 'ERR_BAD_REQUEST_LINE' : 'ERR_VERSION_UNSUPPORTED';
}

/** What llhttp refused in the fields of a head. */
export function framingFault(errno: number, text: string, head: HeadBuffer): WireFailureCode {
  if (errno === Errno.unexpectedContentLength) return 'ERR_BAD_CONTENT_LENGTH';
  if (errno === Errno.invalidContentLength) {
    return isNoted(text, head.spans, FieldId.transferEncoding)
      ? 'ERR_AMBIGUOUS_FRAMING'
      : 'ERR_BAD_CONTENT_LENGTH';
  }
  if (errno === Errno.invalidTransferEncoding) {
    return isNoted(text, head.spans, FieldId.contentLength)
      ? 'ERR_AMBIGUOUS_FRAMING'
      : 'ERR_BAD_TRANSFER_ENCODING';
  }
  return 'ERR_BAD_FIELD';
}
