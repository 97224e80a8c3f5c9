/** A listener that cannot be had: its address, or what it needs for TLS. */
export class ListenError extends Error {
  readonly code = 'LISTEN';
  readonly source = 'proxy';
  readonly retryable = 'yes';
  /** Its place in the configuration. */
  readonly listener: number;
  /** What of it is wrong. */
  readonly option: 'port' | 'tls';

  constructor(listener: number, option: 'port' | 'tls', cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = 'ListenError';
    this.listener = listener;
    this.option = option;
  }
}
