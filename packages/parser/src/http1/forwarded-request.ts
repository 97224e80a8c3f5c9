import type { ForwardRequest } from './forward-request.ts';
import type { RequestHead } from './heads.ts';
import { inOnePiece } from './latin1.ts';

/** The text that a request head became, and all that it depends on besides its field lines. */
export class ForwardedRequest {
  readonly text: string;
  readonly #method: string;
  readonly #path: string;
  readonly #host: string;
  readonly #framing: RequestHead['framing'];
  readonly #contentLength: number;
  readonly #upgrade: string;
  readonly #connection: string;
  readonly #rules: ForwardRequest;

  constructor(head: RequestHead, rules: ForwardRequest, connection: string, text: string) {
    this.text = inOnePiece(text);
    this.#method = head.method;
    this.#path = head.path;
    this.#host = head.host;
    this.#framing = head.framing;
    this.#contentLength = head.contentLength;
    this.#upgrade = head.upgrade;
    this.#connection = connection;
    this.#rules = { ...rules };
  }

  fits(head: RequestHead, rules: ForwardRequest, connection: string): boolean {
    return (
      this.#path === head.path &&
      this.#method === head.method &&
      this.#host === head.host &&
      this.#framing === head.framing &&
      this.#contentLength === head.contentLength &&
      this.#upgrade === head.upgrade &&
      this.#connection === connection &&
      sameRules(this.#rules, rules)
    );
  }
}

/** All but the request id, which differs from one request to the next. */
function sameRules(one: ForwardRequest, other: ForwardRequest): boolean {
  return (
    one.client === other.client &&
    one.port === other.port &&
    one.trusted === other.trusted &&
    one.proto === other.proto &&
    one.requestIdPolicy === other.requestIdPolicy &&
    one.xForwarded === other.xForwarded &&
    one.forwarded === other.forwarded &&
    one.host === other.host &&
    one.version === other.version &&
    one.viaName === other.viaName
  );
}
