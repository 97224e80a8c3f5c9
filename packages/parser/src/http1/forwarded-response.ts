import { inOnePiece } from './latin1.ts';
import type { ResponseHead } from './heads.ts';
import type { ResponseBodyAs } from './forward-response.ts';

/** The text that a response head became, and all that it depends on besides its field lines. */
export class ForwardedResponse {
  readonly text: string;
  readonly #status: number;
  readonly #reason: string;
  readonly #framing: ResponseHead['framing'];
  readonly #contentLength: number;
  readonly #upgrade: string;
  readonly #clientMinor: 0 | 1;
  readonly #bodyAs: ResponseBodyAs;
  readonly #connection: string;
  readonly #extra: string;
  readonly #viaName: string;

  constructor(
    head: ResponseHead,
    clientMinor: 0 | 1,
    bodyAs: ResponseBodyAs,
    connection: string,
    extra: string,
    viaName: string,
    text: string,
  ) {
    this.text = inOnePiece(text);
    this.#status = head.status;
    this.#reason = head.reason;
    this.#framing = head.framing;
    this.#contentLength = head.contentLength;
    this.#upgrade = head.upgrade;
    this.#clientMinor = clientMinor;
    this.#bodyAs = bodyAs;
    this.#connection = connection;
    this.#extra = extra;
    this.#viaName = viaName;
  }

  fits(
    head: ResponseHead,
    clientMinor: 0 | 1,
    bodyAs: ResponseBodyAs,
    connection: string,
    extra: string,
    viaName: string,
  ): boolean {
    return (
      this.#status === head.status &&
      this.#framing === head.framing &&
      this.#contentLength === head.contentLength &&
      this.#clientMinor === clientMinor &&
      this.#bodyAs === bodyAs &&
      this.#connection === connection &&
      this.#extra === extra &&
      this.#reason === head.reason &&
      this.#upgrade === head.upgrade &&
      this.#viaName === viaName
    );
  }
}
