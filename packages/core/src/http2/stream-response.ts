import { BodyFraming, FrameType, canSend, type RequestHead, type ResponseHead } from '@rp/parser';
import type { LocalAnswer } from '../answers.ts';
import type { ForwardRules } from '../forward-rules.ts';
import type { StoredAnswer } from '../cache-contract.ts';
import type { BodyView } from '../downstream.ts';
import type { ProxyFailure } from '../failure.ts';
import { ownedChunk, type ChunkSource } from '../read-buffers.ts';
import { writeAnswerHead, writeStoredHead } from './response-fields.ts';
import { StreamSender } from './stream-sender.ts';

/** What an exchange knows of the client behind a stream, and how its response is written, wherever it comes from. */
export abstract class StreamResponse extends StreamSender {
  protected request: RequestHead | undefined = undefined;
  /** Octets of the response's length yet to come; -1 if there is none. */
  #left = -1;
  #bodyAllowed = true;

  /** A head that would mean something else to the client: it was dealt with. */
  protected abstract refusesHead(head: ResponseHead): boolean;

  protected beginResponse(request: RequestHead | undefined): void {
    this.request = request;
    this.#left = -1;
    this.#bodyAllowed = true;
  }

  get address(): string {
    return this.session.peer.address;
  }

  get secure(): boolean {
    return this.session.peer.secure;
  }

  get trusted(): boolean {
    return this.session.peer.trusted;
  }

  get version(): string {
    return 'HTTP/2.0';
  }

  admit(request: RequestHead): LocalAnswer | ProxyFailure | undefined {
    return this.session.peer.admit(request);
  }

  forwardRules(requestId: string): ForwardRules {
    return this.session.peer.forwardRules(requestId);
  }

  sendInformational(head: ResponseHead): void {
    if (!canSend(this.state)) return;
    this.writeHead(head, head.status, '', false);
  }

  sendHead(head: ResponseHead, extra: string): void {
    if (!canSend(this.state)) return;
    if (this.refusesHead(head)) return;
    const empty =
      head.framing === BodyFraming.none || (head.framing === BodyFraming.length && head.contentLength === 0);
    // HTTP/1 has no trailers behind a length, so that its last octet ends the stream; from HTTP/2 they may follow.
    this.#left = head.framing === BodyFraming.length && head.major === 1 ? head.contentLength : -1;
    this.#bodyAllowed = !empty;
    // Trailers may still follow a body that is framed as none: they are dropped, as HTTP/1 would.
    this.writeHead(head, head.status, extra + this.session.peer.responseLines(this.request, head), empty);
  }

  protected writeHead(head: ResponseHead, status: number, extra: string, endStream: boolean): void {
    const { output } = this.session;
    const { via } = this.runtime.settings.forwarding;
    output.responses.write(output.writer, this.id, status, head, extra, via, endStream);
    output.touch();
    this.sent(FrameType.HEADERS, endStream);
  }

  sendBody(chunk: Buffer, view: BodyView, source: ChunkSource): boolean {
    if (!this.#bodyAllowed || !canSend(this.state)) return true;
    if (this.#left !== -1) this.#left -= view.bodyLength;
    const ranges = view.bodyRanges;
    if (ranges === 1) {
      this.put(chunk, view.bodyRangeStart(0), view.bodyRangeEnd(0), source, this.#left === 0);
    } else if (ranges > 1) {
      // Chunks may be as small as one octet: as frames of their own they would cost nine octets each.
      const copy = Buffer.allocUnsafe(view.bodyLength);
      view.copyBody(chunk, copy, 0);
      this.put(copy, 0, copy.length, ownedChunk, this.#left === 0);
    }
    return this.queue.length === 0;
  }

  sendAnswer(answer: LocalAnswer, _close: boolean): void {
    if (!canSend(this.state)) return;
    const { body } = answer;
    const bytes =
      typeof body === 'string' ? Buffer.from(body) : body === undefined ? undefined : Buffer.from(body);
    const length = bytes?.length ?? 0;
    const bodiless = answer.status === 204 || answer.status === 304;
    const none = length === 0 || bodiless || this.request?.method === 'HEAD';
    const { output } = this.session;
    const whole = this.session.peer.completed(answer, this.request);
    writeAnswerHead(output.writer, this.id, whole, bodiless ? -1 : length, this.runtime.date(), none);
    output.touch();
    this.sent(FrameType.HEADERS, none);
    if (!none) this.put(bytes!, 0, length, ownedChunk, (this.ending = true));
  }

  sendStored(answer: StoredAnswer): void {
    if (!canSend(this.state)) return;
    const none = answer.bodyLength === 0;
    this.#writeStoredHead(answer, none);
    if (none) return;
    if (answer.bodyText !== undefined) {
      const bytes = Buffer.from(answer.bodyText, 'latin1');
      return this.put(bytes, 0, bytes.length, ownedChunk, (this.ending = true));
    }
    const { chunks } = answer;
    for (let i = 0; i < chunks.length; i++) {
      const { buffer, byteOffset, length } = chunks[i]!;
      const last = i === chunks.length - 1;
      if (last) this.ending = true;
      this.put(Buffer.from(buffer, byteOffset, length), 0, length, ownedChunk, last);
    }
  }

  sendStoredHead(answer: StoredAnswer): void {
    if (!canSend(this.state)) return;
    this.#bodyAllowed = this.request?.method !== 'HEAD' && answer.status !== 304;
    this.#left = answer.contentLength;
    if (this.#left === 0) this.#bodyAllowed = false;
    this.#writeStoredHead(answer, !this.#bodyAllowed);
  }

  #writeStoredHead(answer: StoredAnswer, endStream: boolean): void {
    const { output } = this.session;
    const own = this.session.peer.responseLines(this.request, undefined);
    writeStoredHead(output.writer, this.id, answer, own, endStream);
    output.touch();
    this.sent(FrameType.HEADERS, endStream);
  }

  /** Everything that is written in a turn leaves together at its end, so there is nothing to hurry. */
  flush(): void {}
}
