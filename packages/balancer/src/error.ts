/** Stable codes of {@link BalancerError}. Callers match on these, never on the message. */
export type BalancerErrorCode =
  | 'invalidOption'
  | 'invalidBackend'
  | 'duplicateBackend'
  | 'tableFull'
  | 'tableMismatch'
  | 'resolveFailed'
  | 'updateFailed';

/**
 * What this package throws. Selection itself never throws: a group without a usable backend answers
 * `undefined`. Errors come from configuration (`source: 'proxy'`) and from name resolution.
 */
export class BalancerError extends Error {
  readonly code: BalancerErrorCode;
  readonly source: 'client' | 'backend' | 'proxy' = 'proxy';
  readonly retryable: 'yes' | 'no' | 'reusedOnly';

  constructor(code: BalancerErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'BalancerError';
    this.code = code;
    this.retryable = code === 'resolveFailed' ? 'yes' : 'no';
  }
}

/**
 * Checks one numeric option and returns it.
 *
 * @throws {BalancerError} `invalidOption` when the value is not a number from `minimum` to `maximum`
 */
export function checkedNumber(name: string, value: number, minimum: number, maximum: number): number {
  if (typeof value === 'number' && value >= minimum && value <= maximum) return value;
  throw new BalancerError(
    'invalidOption',
    `${name} must be a number from ${minimum} to ${maximum}, found ${String(value)}`,
  );
}

/** As {@link checkedNumber}, and the value must be whole. */
export function checkedInteger(name: string, value: number, minimum: number, maximum: number): number {
  if (Number.isInteger(value)) return checkedNumber(name, value, minimum, maximum);
  throw new BalancerError('invalidOption', `${name} must be a whole number, found ${String(value)}`);
}
