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
  /** Bytes that were read of it. */
  #octets = 0;
  #idempotent = false;
  /** It is small, as far as is known. */
  #small = true;
  /** All that was read is held, and goes on being held while it is small. */
  #keeps = false;

  /** A request begins. */
  expect(request: RequestHead): void {
    this.#held = undefined;
    this.#octets = 0;
    this.#small = request.contentLength <= MAX_KEPT_BODY;
    this.#idempotent = this.#keeps = isIdempotent(request.method);
  }

  /** A piece was read. `passedOn`: a backend gets it at once, so that it is held only to be repeated. */
  hold(chunk: Buffer, view: BodyView, passedOn: boolean): void {
    this.#octets += view.bodyLength;
    if (passedOn) {
      if (this.#keeps) this.#keepSmall();
      if (!this.#keeps) return;
    }
    this.#holder().add(chunk, view);
  }

  holdTrailers(trailers: string[], passedOn: boolean): void {
    if (!passedOn || this.#keeps) this.#holder().trailers = trailers;
  }

  /** A response came: the request is not repeated, unless the response is of no use. */
  answered(): void {
    if (!this.#idempotent) this.drop();
  }

  /** Nothing of it is needed any more. */
  drop(): void {
    this.#held = undefined;
    this.#keeps = false;
  }

  /**
   * Hands what is held to a connection that has begun the request.
   *
   * @param complete everything of the request was read
   * @param starting the first bytes of the body may still come in this turn: the head waits for them
   * @returns whether the client, which was made to wait, may go on
   */
  sendTo(connection: BackendStream, request: RequestHead, complete: boolean, starting: boolean): boolean {
    // Whatever the method: such a backend may say that it did not look at the request (RFC 9113 §8.7).
    const held = this.#held;
    if (connection.mayRefuse && (held !== undefined || this.#octets === 0)) this.#keeps = true;
    if (held === undefined) {
      if (complete || request.framing === BodyFraming.none) connection.sendEnd(undefined);
      // The client may be waiting for the 100 that the backend only sends when it has the head.
      else if (!starting) connection.flush();
      return false;
    }
    const more = held.sendTo(connection);
    if (complete) connection.sendEnd(held.trailers);
    else connection.flush();
    this.#keepSmall();
    return more && !complete;
  }

  /** Whether a backend can be given the whole request again. `sent`: one was given some of it. */
  isReplayable({ framing, contentLength }: RequestHead, sent: boolean): boolean {
    if (framing === BodyFraming.none || contentLength === 0) return true;
    return !sent || this.#keeps;
  }

  #keepSmall(): void {
    if (!this.#keeps || !this.#small || this.#octets > MAX_KEPT_BODY) this.drop();
  }

  #holder(): HeldBody {
    return (this.#held ??= new HeldBody());
  }
}
