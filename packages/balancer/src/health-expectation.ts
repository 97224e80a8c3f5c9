import { BalancerError } from './error.ts';

/** What a healthy backend answers to a check. */
export interface HealthExpectation {
  /** Statuses and ranges, as `200-299, 304`; default `200-399`. */
  readonly status?: string;
  /**
   * A text that the body contains, or a pattern that it matches; default any body. Patterns run on what the
   * prober kept of the body: keep it short, and the pattern free of nested repetition.
   */
  readonly body?: string | RegExp;
}

/** Judges one answer. */
export class HealthJudge {
  readonly #ranges: readonly (readonly [number, number])[];
  readonly #body: string | RegExp | undefined;

  /** @throws {BalancerError} `invalidOption` for a status list that is not one */
  constructor(expectation: HealthExpectation) {
    this.#ranges = parseStatuses(expectation.status ?? '200-399');
    const { body } = expectation;
    // A global or sticky pattern remembers where it stopped: every other check would fail.
    this.#body = body instanceof RegExp ? new RegExp(body.source, body.flags.replace(/[gy]/g, '')) : body;
  }

  /** @returns why the answer is not healthy, `undefined` when it is */
  objection(status: number, body: string): string | undefined {
    if (!this.#ranges.some(([from, to]) => status >= from && status <= to)) return `status ${status}`;
    if (this.#body === undefined) return undefined;
    const fits = typeof this.#body === 'string' ? body.includes(this.#body) : this.#body.test(body);
    return fits ? undefined : 'unexpected body';
  }
}

function parseStatuses(text: string): readonly (readonly [number, number])[] {
  return text.split(',').map((part) => {
    const match = /^\s*([1-5][0-9]{2})(?:\s*-\s*([1-5][0-9]{2}))?\s*$/.exec(part);
    const from = Number(match?.[1]);
    const to = Number(match?.[2] ?? match?.[1]);
    if (match !== null && from <= to) return [from, to] as const;
    throw new BalancerError(
      'invalidOption',
      `healthCheck.status is a list as "200-299, 304", found ${JSON.stringify(text)}`,
    );
  });
}
