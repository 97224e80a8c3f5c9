import { connectionStateNames, type ConnectionState } from './connection-state.ts';
import { failures, type FailureCode } from './failure.ts';

const failureCodes = Object.keys(failures) as FailureCode[];

/** Upper bounds in milliseconds of the latency histogram; the last bucket has none. */
export const latencyBounds: readonly number[] = [
  0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000,
];

/** Sums only ever grow; names that end in `Now` go up and down. */
type PlainCounter =
  | 'connectionsAccepted'
  | 'connectionsRefused'
  | 'connectionsNow'
  | 'proxyHeaderFailures'
  | 'requests'
  | 'requestsNow'
  | 'clientAborts'
  | 'retries'
  | 'replays'
  | 'tunnels'
  | 'tunnelsNow'
  | 'bytesFromClients'
  | 'bytesToClients'
  | 'bytesFromBackends'
  | 'bytesToBackends'
  | 'status1xx'
  | 'status2xx'
  | 'status3xx'
  | 'status4xx'
  | 'status5xx'
  | 'hookFailures'
  | 'handshakes'
  | 'handshakeFailures'
  | 'http2Connections'
  | 'http2ConnectionsNow'
  | 'http2Streams'
  | 'http2StreamsNow'
  | 'overloadRefusals'
  | 'durationSumMs';

const plainNames: readonly PlainCounter[] = [
  'connectionsAccepted',
  'connectionsRefused',
  'connectionsNow',
  'proxyHeaderFailures',
  'requests',
  'requestsNow',
  'clientAborts',
  'retries',
  'replays',
  'tunnels',
  'tunnelsNow',
  'bytesFromClients',
  'bytesToClients',
  'bytesFromBackends',
  'bytesToBackends',
  'status1xx',
  'status2xx',
  'status3xx',
  'status4xx',
  'status5xx',
  'hookFailures',
  'handshakes',
  'handshakeFailures',
  'http2Connections',
  'http2ConnectionsNow',
  'http2Streams',
  'http2StreamsNow',
  'overloadRefusals',
  'durationSumMs',
];

/** Every counter of one event loop, by its place in the shared memory. */
export const counterNames: readonly string[] = [
  ...plainNames,
  ...connectionStateNames.map((name) => `state.${name}Now`),
  ...failureCodes.map((code) => `failure.${code}`),
  ...[...latencyBounds.map(String), 'inf'].map((bound) => `duration.${bound}`),
];

const place = (name: string): number => counterNames.indexOf(name);

/** Places of the plain counters, for the hot path. */
export const Counter: Readonly<Record<PlainCounter, number>> = Object.fromEntries(
  plainNames.map((name, index) => [name, index]),
) as Record<PlainCounter, number>;

const firstState = place('state.idleNow');
const firstFailure = place(`failure.${failureCodes[0]}`);
const firstDuration = place(`duration.${latencyBounds[0]}`);
const failurePlace = new Map(failureCodes.map((code, index) => [code, firstFailure + index]));

/** Bytes of shared memory that the counters of one event loop take. */
export const countersByteLength: number = counterNames.length * 8;

/**
 * The counters of one event loop. There is one writer, so plain stores do; a reader in another thread adds up the
 * loops. Numbers are doubles: bytes pass 2^32.
 */
export class Counters {
  readonly cells: Float64Array;

  constructor(memory: ArrayBufferLike = new SharedArrayBuffer(countersByteLength), byteOffset = 0) {
    this.cells = new Float64Array(memory, byteOffset, counterNames.length);
  }

  add(counter: number, amount: number): void {
    this.cells[counter]! += amount;
  }

  read(name: string): number {
    return this.cells[place(name)] ?? 0;
  }

  response(status: number, durationMs: number): void {
    const group = Math.floor(status / 100) - 1;
    if (group >= 0 && group < 5) this.cells[Counter.status1xx + group]!++;
    let bucket = 0;
    while (bucket < latencyBounds.length && durationMs > latencyBounds[bucket]!) bucket++;
    this.cells[firstDuration + bucket]!++;
    this.cells[Counter.durationSumMs]! += durationMs;
  }

  failed(code: FailureCode): void {
    this.cells[failurePlace.get(code)!]!++;
  }

  enterState(state: ConnectionState): void {
    this.cells[firstState + state]!++;
  }

  leaveState(state: ConnectionState): void {
    this.cells[firstState + state]!--;
  }

  moveState(from: ConnectionState, to: ConnectionState): void {
    this.cells[firstState + from]!--;
    this.cells[firstState + to]!++;
  }

  /** Back to 0 with what is counted up and down: its event loop has ended, and what it had is gone. */
  clearGauges(): void {
    for (const [index, name] of counterNames.entries()) if (name.endsWith('Now')) this.cells[index] = 0;
  }

  /** All of them by name. */
  snapshot(): Record<string, number> {
    return Object.fromEntries(counterNames.map((name, index) => [name, this.cells[index]!]));
  }
}
