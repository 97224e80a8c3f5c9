/** How bad a {@link CertificateProblem} is: an `error` keeps the certificate from being served. */
export type Severity = 'error' | 'warning';

/** Stable codes of what can be wrong with a certificate or its key. */
export type CertificateProblemCode =
  | 'TLS_FILE_UNREADABLE'
  | 'TLS_FILE_EMPTY'
  | 'TLS_CERT_UNPARSABLE'
  | 'TLS_KEY_UNPARSABLE'
  | 'TLS_KEY_ENCRYPTED'
  | 'TLS_KEY_MISMATCH'
  | 'TLS_KEY_TYPE'
  | 'TLS_KEY_TOO_SMALL'
  | 'TLS_KEY_FILE_MODE'
  | 'TLS_CHAIN_LEAF_NOT_FIRST'
  | 'TLS_CHAIN_ORDER'
  | 'TLS_CHAIN_NOT_CA'
  | 'TLS_CHAIN_LEAF_ONLY'
  | 'TLS_CHAIN_HAS_ROOT'
  | 'TLS_EXPIRED'
  | 'TLS_NOT_YET_VALID'
  | 'TLS_KEY_USAGE'
  | 'TLS_EXTENDED_KEY_USAGE'
  | 'TLS_LEAF_IS_CA'
  | 'TLS_WEAK_SIGNATURE'
  | 'TLS_NAME_FROM_CN'
  | 'TLS_NAME_UNUSABLE'
  | 'TLS_NO_NAMES';

/** One thing that is wrong with one file. Never holds key material. */
export interface CertificateProblem {
  readonly code: CertificateProblemCode;
  readonly severity: Severity;
  /** Path of the file, or `(inline certificate)` / `(inline key)`. */
  readonly file: string;
  /** What is wrong, for a person. */
  readonly reason: string;
}

/** Codes of {@link TlsError}. */
export type TlsErrorCode =
  | CertificateProblemCode
  | 'TLS_UNRECOGNIZED_NAME'
  | 'TLS_CERTIFICATE_EXPIRED'
  | 'TLS_HANDSHAKE_RATE'
  | 'TLS_POLICY'
  | 'TLS_NO_CERTIFICATE'
  | 'TLS_DEFAULT_KEY_TYPE'
  | 'TLS_SNAPSHOT_INVALID'
  | 'TLS_TICKET_KEYS_INVALID'
  | 'TLS_CLIENT_AUTH'
  | 'TLS_REDIRECT_HOST'
  | 'TLS_OPTION';

/** Who is to blame, as everywhere in this family of packages. */
export type ErrorSource = 'client' | 'backend' | 'proxy';

/**
 * The one error class of this package. Match on `code`; the message is for people.
 * `retryable` is always `no`: repeating the same thing gives the same answer.
 */
export class TlsError extends Error {
  override readonly name: string = 'TlsError';
  readonly code: TlsErrorCode;
  readonly source: ErrorSource;
  readonly retryable: 'no' = 'no' as const;

  constructor(code: TlsErrorCode, message: string, source: ErrorSource = 'proxy', cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.source = source;
  }
}

/** A certificate that cannot be served. `problems` has every reason found, warnings included. */
export class CertificateError extends TlsError {
  override readonly name: string = 'CertificateError';
  readonly problems: readonly CertificateProblem[];

  constructor(problems: readonly CertificateProblem[]) {
    const errors = problems.filter((problem) => problem.severity === 'error');
    const first = errors[0] ?? problems[0];
    super(first?.code ?? 'TLS_CERT_UNPARSABLE', errors.map(describeProblem).join('; '));
    this.problems = problems;
  }
}

/** `file: reason (code)`, on one line. */
export function describeProblem(problem: CertificateProblem): string {
  return `${problem.file}: ${problem.reason} (${problem.code})`;
}

/** The message of anything thrown, without its stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
