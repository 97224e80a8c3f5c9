/** A message as a test reads it: deliberately simple, and written without a look at what it tests. */
export interface Message {
  readonly start: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly body: Buffer;
  readonly trailers: readonly (readonly [string, string])[];
  /** The framing said so; false for what ended with the connection. */
  readonly framed: boolean;
}

type Fields = (readonly [string, string])[];

function fieldsOf(lines: readonly string[]): Fields {
  return lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const);
}

/** First value of a field, whatever its case. */
export function field(message: Pick<Message, 'fields'>, name: string): string | undefined {
  return message.fields.find(([other]) => other.toLowerCase() === name.toLowerCase())?.[1];
}

export function names(message: Pick<Message, 'fields'>): string[] {
  return message.fields.map(([name]) => name);
}

interface Body {
  readonly body: Buffer;
  readonly trailers: Fields;
  readonly end: number;
}

function chunkedBody(bytes: Buffer, start: number): Body | undefined {
  const parts: Buffer[] = [];
  let at = start;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const size = bytes.toString('latin1', at, lineEnd);
    if (!/^[0-9a-f]+$/i.test(size)) throw new Error(`chunk size ${JSON.stringify(size)}`);
    const length = Number.parseInt(size, 16);
    at = lineEnd + 2;
    if (length === 0) {
      if (bytes.toString('latin1', at, at + 2) === '\r\n')
        return { body: Buffer.concat(parts), trailers: [], end: at + 2 };
      const end = bytes.indexOf('\r\n\r\n', at);
      if (end === -1) return undefined;
      const trailers = fieldsOf(bytes.toString('latin1', at, end).split('\r\n'));
      return { body: Buffer.concat(parts), trailers, end: end + 4 };
    }
    if (bytes.length < at + length + 2) return undefined;
    parts.push(bytes.subarray(at, at + length));
    if (bytes.toString('latin1', at + length, at + length + 2) !== '\r\n')
      throw new Error('chunk without its end');
    at += length + 2;
  }
}

export interface Head {
  readonly start: string;
  readonly fields: Fields;
  /** Where the body begins. */
  readonly end: number;
}

export function readHead(bytes: Buffer, at: number): Head | undefined {
  const end = bytes.indexOf('\r\n\r\n', at);
  if (end === -1) return undefined;
  const [start = '', ...lines] = bytes.toString('latin1', at, end).split('\r\n');
  return { start, fields: fieldsOf(lines), end: end + 4 };
}

/** The body after `head`; undefined while it is incomplete. */
export function readBody(
  bytes: Buffer,
  head: Head,
  bodiless: boolean,
  closed: boolean,
): (Body & { framed: boolean }) | undefined {
  if (bodiless) return { body: Buffer.alloc(0), trailers: [], end: head.end, framed: true };
  const coding = field(head, 'transfer-encoding');
  const length = field(head, 'content-length');
  if (coding !== undefined) {
    if (length !== undefined) throw new Error('two framings');
    const read = chunkedBody(bytes, head.end);
    return read === undefined ? undefined : { ...read, framed: true };
  }
  if (length !== undefined) {
    const end = head.end + Number(length);
    if (bytes.length < end) return undefined;
    return { body: bytes.subarray(head.end, end), trailers: [], end, framed: true };
  }
  if (head.start.startsWith('HTTP/') && !closed) return undefined;
  const end = head.start.startsWith('HTTP/') ? bytes.length : head.end;
  return { body: bytes.subarray(head.end, end), trailers: [], end, framed: !head.start.startsWith('HTTP/') };
}

/** Every complete response in `bytes`, interim ones too. `methods`: of the requests in order; default GET. */
export function readResponses(bytes: Buffer, methods: readonly string[] = [], closed = false): Message[] {
  const responses: Message[] = [];
  let request = 0;
  for (let at = 0; at < bytes.length;) {
    const head = readHead(bytes, at);
    if (head === undefined) break;
    const status = Number(head.start.slice(9, 12));
    if (!/^HTTP\/1\.1 \d{3} /.test(head.start)) throw new Error(`status line ${JSON.stringify(head.start)}`);
    const interim = status < 200;
    const bodiless = interim || status === 204 || status === 304 || methods[request] === 'HEAD';
    const read = readBody(bytes, head, bodiless, closed);
    if (read === undefined) break;
    responses.push({
      start: head.start,
      fields: head.fields,
      body: read.body,
      trailers: read.trailers,
      framed: read.framed,
    });
    if (!interim) request++;
    at = read.end;
    if (status === 101) break;
  }
  return responses;
}
