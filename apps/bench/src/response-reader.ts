/**
 * A strict reader of HTTP/1 responses as a client gets them. The load generator counts answers with it, and the
 * fuzzer judges with it: whatever a careful client would refuse (RFC 9112) is reported as `malformed`.
 * It is deliberately not the project's own parser, so that a mistake there cannot hide itself.
 */
export interface ReaderEvents {
  /** A final or interim (1xx) head was read. */
  onHead?(head: ResponseHead): void;
  /** Body bytes, without any framing. */
  onBody?(chunk: Buffer): void;
  /** A final response ended. `keepAlive` tells whether the connection may carry another request. */
  onEnd(head: ResponseHead): void;
}

/** What is known of a response when its head was read. */
export interface ResponseHead {
  readonly version: string;
  readonly status: number;
  /** Lower-case names and trimmed values, in order. */
  readonly fields: readonly (readonly [string, string])[];
  readonly keepAlive: boolean;
}

/** What the end of the connection meant: between messages, inside one, or after nonsense. */
export type Ending = 'clean' | 'truncated' | 'malformed';

type State =
  | 'head'
  | 'length'
  | 'untilClose'
  | 'chunkSize'
  | 'chunkData'
  | 'chunkEnd'
  | 'trailers'
  | 'tunnel'
  | 'dead';

const STATUS_LINE = /^HTTP\/(1\.[01]) ([1-9]\d\d) ([\t \x21-\x7e\x80-\xff]*)$/;
const FIELD =
  /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(|[\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)[ \t]*$/;
const CHUNK_SIZE = /^[0-9A-Fa-f]{1,12}(?:[ \t]*;[\t \x21-\x7e\x80-\xff]*)?$/;
const MAX_HEAD = 256 * 1024;
const MAX_LINE = 16 * 1024;

/** Reads the responses of one connection; feed it every chunk in order. */
export class ResponseReader {
  /** Why the bytes are not well-formed HTTP, once they are not. */
  problem: string | undefined;
  readonly #events: ReaderEvents;
  readonly #methods: string[] = [];
  #state: State = 'head';
  #rest: Buffer = Buffer.alloc(0);
  #left = 0;
  #head: ResponseHead | undefined;

  constructor(events: ReaderEvents) {
    this.#events = events;
  }

  /** Notes the method of a request that was sent: `HEAD` answers have no body, `CONNECT` ones open a tunnel. */
  expect(method: string): void {
    this.#methods.push(method);
  }

  /** Whether the reader stands between two messages. */
  get idle(): boolean {
    return this.#state === 'head' && this.#rest.length === 0;
  }

  /** Takes the next bytes. Returns false from the first byte on that is not well-formed. */
  feed(chunk: Buffer): boolean {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#step());
    return this.problem === undefined;
  }

  /** Says that the connection has ended. */
  end(): Ending {
    if (this.problem !== undefined) return 'malformed';
    if (this.#state === 'untilClose') {
      this.#finish();
      return 'clean';
    }
    if (this.#state === 'tunnel') return 'clean';
    return this.idle ? 'clean' : 'truncated';
  }

  #step(): boolean {
    switch (this.#state) {
      case 'head':
        return this.#readHead();
      case 'length':
      case 'chunkData':
        return this.#readCounted();
      case 'untilClose':
        return this.#take(this.#rest.length);
      case 'chunkSize':
        return this.#readChunkSize();
      case 'chunkEnd':
        return this.#readChunkEnd();
      case 'trailers':
        return this.#readTrailer();
      case 'tunnel':
      case 'dead':
        return false;
    }
  }

  #fail(problem: string): false {
    this.problem ??= problem;
    this.#state = 'dead';
    return false;
  }

  #readHead(): boolean {
    if (this.#rest.length === 0) return false;
    const end = this.#rest.indexOf('\r\n\r\n');
    if (end < 0) {
      // A head that can no longer become one is told at once, not when the peer gives up.
      const start = this.#rest.toString('latin1', 0, Math.min(5, this.#rest.length));
      if (!'HTTP/'.startsWith(start)) return this.#fail(`not a status line: ${JSON.stringify(start)}`);
      return this.#rest.length > MAX_HEAD ? this.#fail('head without end') : false;
    }
    const lines = this.#rest.toString('latin1', 0, end).split('\r\n');
    this.#rest = this.#rest.subarray(end + 4);
    const status = STATUS_LINE.exec(lines[0] ?? '');
    if (!status) return this.#fail(`bad status line: ${JSON.stringify(lines[0]?.slice(0, 80))}`);
    const fields: [string, string][] = [];
    for (const line of lines.slice(1)) {
      const field = FIELD.exec(line);
      if (!field) return this.#fail(`bad field line: ${JSON.stringify(line.slice(0, 80))}`);
      fields.push([(field[1] ?? '').toLowerCase(), field[2] ?? '']);
    }
    return this.#frame(status[1] ?? '1.1', Number(status[2]), fields);
  }

  /** Decides where the body ends: RFC 9112 §6.3, the rules for responses, in their order. */
  #frame(version: string, status: number, fields: readonly (readonly [string, string])[]): boolean {
    const all = (name: string): string[] =>
      fields.filter((field) => field[0] === name).map((field) => field[1]);
    const lengths = all('content-length');
    const coding = all('transfer-encoding').join(',').toLowerCase().trim();
    const connection = all('connection').join(',').toLowerCase();
    if (coding !== '' && lengths.length > 0) return this.#fail('Content-Length with Transfer-Encoding');
    if (lengths.length > 1) return this.#fail('more than one Content-Length');
    if (lengths.length === 1 && !/^\d{1,15}$/.test(lengths[0] ?? '')) return this.#fail('bad Content-Length');
    if (coding !== '' && coding !== 'chunked') return this.#fail(`Transfer-Encoding: ${coding}`);
    if (coding !== '' && version === '1.0') return this.#fail('Transfer-Encoding in HTTP/1.0');
    if (status < 200 || status === 204) {
      if (lengths.length > 0 || coding !== '')
        return this.#fail(`framing fields in a ${status} (RFC 9110 §8.6)`);
    }
    const method = this.#methods[0] ?? 'GET';
    const noBody = method === 'HEAD' || status < 200 || status === 204 || status === 304;
    const delimited = noBody || lengths.length === 1 || coding === 'chunked';
    const close =
      /(^|[\s,])close($|[\s,])/.test(connection) || (version === '1.0' && !connection.includes('keep-alive'));
    this.#head = { version, status, fields, keepAlive: delimited && !close };
    this.#events.onHead?.(this.#head);
    if (status === 101 || (method === 'CONNECT' && status >= 200 && status < 300)) this.#state = 'tunnel';
    else if (status < 200) this.#state = 'head';
    else if (noBody) this.#finish();
    else if (coding === 'chunked') this.#state = 'chunkSize';
    else if (lengths.length === 1) this.#count(Number(lengths[0]));
    else this.#state = 'untilClose';
    return true;
  }

  #count(length: number): void {
    this.#left = length;
    this.#state = 'length';
    if (length === 0) this.#finish();
  }

  #finish(): void {
    const head = this.#head;
    this.#state = 'head';
    this.#methods.shift();
    if (head) this.#events.onEnd(head);
  }

  #take(length: number): boolean {
    if (length === 0) return false;
    const chunk = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    this.#events.onBody?.(chunk);
    return true;
  }

  #readCounted(): boolean {
    const length = Math.min(this.#left, this.#rest.length);
    if (!this.#take(length)) return false;
    this.#left -= length;
    if (this.#left > 0) return false;
    if (this.#state === 'chunkData') this.#state = 'chunkEnd';
    else this.#finish();
    return true;
  }

  #line(): string | undefined {
    const end = this.#rest.indexOf('\r\n');
    if (end < 0) {
      if (this.#rest.length > MAX_LINE) this.#fail('line without end');
      return undefined;
    }
    const line = this.#rest.toString('latin1', 0, end);
    this.#rest = this.#rest.subarray(end + 2);
    return line;
  }

  #readChunkSize(): boolean {
    const line = this.#line();
    if (line === undefined) return false;
    if (!CHUNK_SIZE.test(line)) return this.#fail(`bad chunk size: ${JSON.stringify(line.slice(0, 40))}`);
    this.#left = Number.parseInt(line, 16);
    this.#state = this.#left === 0 ? 'trailers' : 'chunkData';
    return true;
  }

  #readChunkEnd(): boolean {
    if (this.#rest.length < 2) return false;
    if (this.#rest[0] !== 13 || this.#rest[1] !== 10) return this.#fail('chunk data without CRLF');
    this.#rest = this.#rest.subarray(2);
    this.#state = 'chunkSize';
    return true;
  }

  #readTrailer(): boolean {
    const line = this.#line();
    if (line === undefined) return false;
    if (line === '') this.#finish();
    else if (!FIELD.test(line)) return this.#fail(`bad trailer: ${JSON.stringify(line.slice(0, 80))}`);
    return true;
  }
}
