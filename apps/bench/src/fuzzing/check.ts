import { ResponseReader } from '../response-reader.ts';
import type { FuzzCase } from './cases.ts';

/**
 * Judges what a client got back in one case. Answers may be refusals, may be missing and may be cut short (that is
 * how a proxy tells of a backend's failure in mid-body), but what is there must be well-formed HTTP/1, and there must
 * not be more answers than requests.
 */
export class ClientCheck {
  readonly #reader: ResponseReader;
  readonly #case: FuzzCase;
  readonly #asksUpgrade: boolean;
  #answers = 0;
  #blind = false;
  #problem: string | undefined;

  constructor(fuzzCase: FuzzCase) {
    this.#case = fuzzCase;
    const sent = Buffer.concat(fuzzCase.pieces).toString('latin1');
    this.#asksUpgrade = /upgrade/i.test(sent);
    // After a mutation nobody knows which request an answer belongs to, so not whether a HEAD's answer has a body.
    const ambiguous = fuzzCase.methods === undefined && /HEAD|CONNECT/.test(sent);
    this.#reader = new ResponseReader({
      onHead: (head) => {
        if (ambiguous) this.#blind = true;
        if (head.status === 101 && !this.#asksUpgrade) this.#problem ??= '101 that was not asked for';
      },
      onEnd: () => this.#onAnswer(),
    });
    for (const method of fuzzCase.methods ?? []) this.#reader.expect(method);
  }

  /** Number of complete answers so far. */
  get answers(): number {
    return this.#answers;
  }

  /** Whether every request that is known to have been sent has its answer. */
  get complete(): boolean {
    return this.#case.methods !== undefined && this.#answers >= this.#case.methods.length;
  }

  /** What is wrong, if anything is. */
  get problem(): string | undefined {
    return this.#problem ?? (this.#blind ? undefined : this.#reader.problem);
  }

  /** Takes what arrived. */
  feed(chunk: Buffer): void {
    if (!this.#blind) this.#reader.feed(chunk);
  }

  /** The connection has ended in order. */
  end(): void {
    if (!this.#blind) this.#reader.end();
  }

  #onAnswer(): void {
    this.#answers++;
    const asked = this.#case.methods?.length;
    if (asked !== undefined && this.#answers > asked) this.#problem ??= 'more answers than requests';
  }
}

const REQUEST_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [\x21-\x7e\x80-\xff]+ HTTP\/1\.[01]$/;
const FIELD_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[ \t]*[\t \x21-\x7e\x80-\xff]*$/;

/**
 * What is wrong with a request head as the backend got it, or undefined. Whatever a client sends, what a proxy
 * forwards must have one framing and be beyond doubt (request smuggling, RFC 9112 §11.2).
 */
export function requestHeadProblem(head: string): string | undefined {
  const [first = '', ...fields] = head.split('\r\n');
  if (!REQUEST_LINE.test(first)) return `request line ${JSON.stringify(first.slice(0, 80))}`;
  const bad = fields.find((line) => !FIELD_LINE.test(line));
  if (bad !== undefined) return `field line ${JSON.stringify(bad.slice(0, 80))}`;
  const named = (name: string): string[] =>
    fields.filter((line) => line.toLowerCase().startsWith(`${name}:`));
  const [lengths, codings, hosts] = [named('content-length'), named('transfer-encoding'), named('host')];
  if (lengths.length + codings.length > 1) return 'more than one framing field';
  if (lengths.some((line) => !/:[ \t]*\d{1,15}[ \t]*$/.test(line))) return 'bad Content-Length';
  if (codings.some((line) => !/:[ \t]*chunked[ \t]*$/i.test(line)))
    return 'Transfer-Encoding other than chunked';
  if (hosts.length > 1) return 'more than one Host';
  if (first.endsWith('1.1') && hosts.length === 0) return 'no Host';
  return undefined;
}
