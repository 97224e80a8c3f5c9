/** Tells one engine how many connections the others have of a client, so that `limits.perAddress` holds for all. */
export interface SharedAddresses {
  /** Connections of other engines. May be a little too high, never too low but for what happens in this moment. */
  others(address: string): number;
  opened(address: string): void;
  closed(address: string): void;
}
