import { BodyFraming, type RequestHead } from '@rp/parser';
import type { BackendStream } from './backend/stream.ts';
import type { BodyView } from './downstream.ts';
import { HeldBody } from './held-body.ts';
import { isIdempotent } from './repeat.ts';

/** Bytes of a request body that are kept so that the request can be repeated. */
const MAX_KEPT_BODY = 65_536;

/** What has to be kept of the body of a request: until there is a connection for it, or until nothing is repeated. */
export class RequestBody {
  #held: HeldBody | undefined = undefined;
  /** A small body of a request that may be repeated is kept until the exchange ends. */
  keeps = false;

  /** A request begins. */
  expect(request: RequestHead): void {
    this.#held = undefined;
    this.keeps =
      request.contentLength > 0 && request.contentLength <= MAX_KEPT_BODY && isIdempotent(request.method);
  }

  hold(chunk: Buffer, view: BodyView): void {
    this.#holder().add(chunk, view);
  }

  holdTrailers(trailers: string[]): void {
    this.#holder().trailers = trailers;
  }

  /** Nothing of it is needed any more. */
  drop(): void {
    this.#held = undefined;
  }

  /**
   * Hands what is held to a connection that has begun the request.
   *
   * @param complete everything of the request was read
   * @param starting the first bytes of the body may still come in this turn: the head waits for them
   * @returns whether the client, which was made to wait, may go on
   */
  sendTo(connection: BackendStream, request: RequestHead, complete: boolean, starting: boolean): boolean {
    const held = this.#held;
    if (held === undefined) {
      if (complete || request.framing === BodyFraming.none) connection.sendEnd(undefined);
      // The client may be waiting for the 100 that the backend only sends when it has the head.
      else if (!starting) connection.flush();
      return false;
    }
    const more = held.sendTo(connection);
    if (complete) connection.sendEnd(held.trailers);
    else connection.flush();
    if (!this.keeps) this.#held = undefined;
    return more && !complete;
  }

  /** Whether a backend can be given the whole request again. `sent`: one was given some of it. */
  isReplayable({ framing, contentLength }: RequestHead, sent: boolean, complete: boolean): boolean {
    if (framing === BodyFraming.none || contentLength === 0) return true;
    return !sent || (this.keeps && complete);
  }

  #holder(): HeldBody {
    return (this.#held ??= new HeldBody());
  }
}
