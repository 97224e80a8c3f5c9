import { ParserEvent, RequestParser, type RequestHead } from '@rp/parser';
import type { BodyView } from '../downstream.ts';
import { requestFailure, type ProxyFailure } from '../failure.ts';
import { ownedChunk, type ChunkSource } from '../read-buffers.ts';
import type { Limits } from '../settings.ts';
import { Backlog } from './backlog.ts';
import { MAX_BACKLOG } from './bounds.ts';
import { MAX_REFUSED_LINE } from './refused-request.ts';

/** Who the requests are for. */
export interface RequestSink {
  /** `read`: go on; `wait`: keep what follows for later; `drop`: nothing more is of interest. */
  readonly readiness: 'read' | 'wait' | 'drop';
  requestHead(head: RequestHead): void;
  requestBody(chunk: Buffer, view: BodyView, source: ChunkSource): void;
  requestEnd(trailers: string[] | undefined): void;
  /** Nobody knows where a next request would begin. `begun`: what came of this one, for the log. */
  requestRefused(failure: ProxyFailure, begun: string): void;
  /** Everything that was read in this turn is parsed, or waits. */
  readingPauses(): void;
  /** `MAX_BACKLOG` bytes wait. */
  backlogFull(): void;
}

/** Cuts what one client sends into requests; pipelined ones wait until the sink is ready (RFC 9112 §9.3.2). */
export class RequestReader {
  readonly #sink: RequestSink;
  readonly #parser: RequestParser;
  readonly #backlog: Backlog = new Backlog();
  /** Bytes of the current chunk are being parsed. */
  parsing = false;
  /** Bytes of the current chunk that are not parsed yet. */
  unparsed = 0;
  /** The beginning of a head that came in pieces and is not whole yet. */
  begun = '';

  constructor(sink: RequestSink, limits: Limits) {
    this.#sink = sink;
    this.#parser = new RequestParser({
      requestLine: limits.requestLine,
      headerBytes: limits.headers,
      headerCount: limits.headerCount,
    });
  }

  /** Nothing was read of a next request, or what was read waits for its turn. */
  get idle(): boolean {
    return this.#parser.idle;
  }

  /** Bytes that were read, and not parsed. */
  get hasMore(): boolean {
    return this.unparsed > 0 || this.#backlog.length > 0;
  }

  close(): void {
    this.#parser.close();
    this.#backlog.take();
  }

  read(chunk: Buffer, length: number, source: ChunkSource): void {
    const { readiness } = this.#sink;
    if (readiness === 'read') this.#parse(chunk, length, source);
    else if (readiness === 'wait') this.#keep(chunk, 0, length);
  }

  /** The sink is ready again: what waited is read. */
  resume(): void {
    if (this.parsing) return;
    const bytes = this.#backlog.take();
    if (bytes !== undefined) this.#parse(bytes, bytes.length, ownedChunk);
  }

  /** What waited is no request any more: the connection became a tunnel. */
  takeBacklog(): Buffer | undefined {
    return this.#backlog.take();
  }

  #parse(chunk: Buffer, length: number, source: ChunkSource): void {
    const parser = this.#parser;
    const sink = this.#sink;
    let at = 0;
    // Where in this chunk the head begins that is being read; -1: it began before, or is read.
    let headAt = parser.idle ? 0 : -1;
    this.parsing = true;
    do {
      const { readiness } = sink;
      if (readiness !== 'read') {
        if (readiness === 'wait') this.#keep(chunk, at, length);
        break;
      }
      const event = parser.execute(chunk, at, length);
      at = parser.position;
      this.unparsed = length - at;
      switch (event) {
        case ParserEvent.head:
          headAt = -1;
          this.begun = '';
          sink.requestHead(parser.head!);
          break;
        case ParserEvent.body:
          sink.requestBody(chunk, parser, source);
          break;
        case ParserEvent.end:
          // An idle connection keeps nothing of its last request: with 10,000 of them that is 15 MiB.
          parser.head = undefined;
          headAt = at;
          sink.requestEnd(parser.trailers);
          break;
        case ParserEvent.failed:
          this.#keepBegin(chunk, headAt, length);
          sink.requestRefused(requestFailure(parser.failure!), this.begun);
          at = length;
          break;
        case ParserEvent.needMore:
          if (!parser.idle) this.#keepBegin(chunk, headAt, length);
          break;
      }
    } while (at < length || parser.complete);
    this.unparsed = 0;
    this.parsing = false;
    sink.readingPauses();
  }

  /** For the log, should it be refused. `from` -1: it began in an earlier chunk, or is a body. */
  #keepBegin(chunk: Buffer, from: number, to: number): void {
    const { length } = this.begun;
    if (from === -1 && length === 0) return;
    const start = Math.max(from, 0);
    this.begun += chunk.toString('latin1', start, Math.min(to, start + MAX_REFUSED_LINE - length));
  }

  #keep(chunk: Buffer, from: number, to: number): void {
    this.#backlog.add(chunk, from, to);
    if (this.#backlog.length >= MAX_BACKLOG) this.#sink.backlogFull();
  }
}
