import {
  BodyFraming,
  ParserEvent,
  ResponseParser,
  type MessageParser,
  type RequestParser,
} from '../../src/index.ts';

const framings = ['none', 'length', 'chunked', 'close'];

/** What a parser told, one line for each event; body bytes of a message are joined. */
export class Replay {
  readonly lines: string[] = [];
  readonly #parser: MessageParser;
  readonly #methods: string[];
  #body = '';
  #failed = false;

  constructor(parser: MessageParser, methods: readonly string[] = []) {
    this.#parser = parser;
    this.#methods = [...methods];
    this.#expectNext();
  }

  #expectNext(): void {
    const method = this.#methods.shift();
    if (this.#parser instanceof ResponseParser && method !== undefined) this.#parser.expect(method);
  }

  feed(chunk: Buffer, start = 0, end: number = chunk.length): void {
    let at = start;
    for (let turn = 0; turn < 1_000_000 && !this.#failed; turn++) {
      const event = this.#parser.execute(chunk, at, end);
      if (this.#parser.position < at || this.#parser.position > end)
        throw new Error('The position is out of range');
      at = this.#parser.position;
      if (event === ParserEvent.needMore) {
        if (at !== end) throw new Error('needMore although not everything was consumed');
        return;
      }
      this.#note(event, chunk);
    }
  }

  finish(): void {
    if (this.#failed) return;
    const event = this.#parser.finish();
    if (event === ParserEvent.end) this.lines.push('the connection closes');
    if (event !== ParserEvent.needMore) this.#note(event, Buffer.alloc(0));
  }

  #note(event: ParserEvent, chunk: Buffer): void {
    if (event === ParserEvent.head) this.#head();
    else if (event === ParserEvent.body) {
      const body = Buffer.alloc(this.#parser.bodyLength);
      if (this.#parser.copyBody(chunk, body, 0) !== body.length) throw new Error('bodyLength disagrees');
      this.#body += body.toString('latin1');
    } else if (event === ParserEvent.end) {
      if (this.#body !== '') this.lines.push(`body ${JSON.stringify(this.#body)}`);
      this.#body = '';
      const trailers = this.#parser.trailers ?? [];
      for (let i = 0; i < trailers.length; i += 2) {
        this.lines.push(`trailer ${trailers[i]}: ${trailers[i + 1]}`);
      }
      this.lines.push('end');
      const { head } = this.#parser as ResponseParser;
      if (!(this.#parser instanceof ResponseParser) || (head?.status ?? 0) >= 200) this.#expectNext();
    } else {
      this.#failed = true;
      // How much of a body was told before its message went wrong depends on the chunks, and may.
      this.#body = '';
      const { failure } = this.#parser;
      this.lines.push(`failed ${failure?.status} ${failure?.code}`);
    }
  }

  #head(): void {
    const { head } = this.#parser as RequestParser | ResponseParser;
    if (head === undefined) throw new Error('A head event without a head');
    const start =
      'method' in head
        ? `${head.method} ${head.target} 1.${head.minor} host=${head.host} path=${head.path}`
        : `1.${head.minor} ${head.status} ${JSON.stringify(head.reason)}`;
    const length = head.framing === BodyFraming.length ? `:${head.contentLength}` : '';
    const flags = [
      head.keepAlive ? 'keepAlive' : '',
      head.upgrade === '' ? '' : `upgrade=${head.upgrade}`,
      'expectContinue' in head && head.expectContinue ? 'expectContinue' : '',
    ].filter((flag) => flag !== '');
    this.lines.push(['head', start, framings[head.framing] + length, ...flags].join(' '));
    for (let i = 0; i < head.fields.length; i += 2)
      this.lines.push(`field ${head.fields[i]}: ${head.fields[i + 1]}`);
  }
}

/** The events of `bytes`, cut at these offsets, on a parser that is reset first. */
export function replay(
  parser: MessageParser,
  bytes: Buffer,
  cuts: readonly number[],
  methods: readonly string[] = [],
): string[] {
  parser.reset();
  const run = new Replay(parser, methods);
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    // Each piece is overwritten afterwards: the parser must not need it any more.
    const piece = Buffer.concat([Buffer.from('??'), bytes.subarray(from, cut), Buffer.from('??')]);
    run.feed(piece, 2, piece.length - 2);
    piece.fill(0x21);
    from = cut;
  }
  run.finish();
  return run.lines;
}

/** `[1, 2, … length - 1]`. */
export function everyByte(length: number): number[] {
  return Array.from({ length: Math.max(0, length - 1) }, (_, index) => index + 1);
}
