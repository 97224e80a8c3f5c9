/** What peers can flood us with, cheaply for them. */
export const FloodKind = {
  /** RST_STREAM received (rapid reset, CVE-2023-44487). */
  resetReceived: 0,
  /** Streams that we reset because of what the peer sent on them (MadeYouReset, CVE-2025-8671). */
  resetCaused: 1,
  /** SETTINGS, each of which we must acknowledge (CVE-2019-9515). */
  settings: 2,
  /** PING, each of which we must answer (CVE-2019-9512). */
  ping: 3,
  /** DATA and HEADERS that carry nothing and end nothing (CVE-2019-9518). */
  emptyFrame: 4,
  /** WINDOW_UPDATE beyond what our DATA explains. */
  windowUpdate: 5,
  /** PRIORITY and PRIORITY_UPDATE (CVE-2019-9513). */
  priority: 6,
  /** Frames of types we do not know, and frames on streams that are closed. */
  ignored: 7,
} as const;

/** One of the kinds of floods. */
export type FloodKind = (typeof FloodKind)[keyof typeof FloodKind];

/** Most frames of each kind in one second of one connection; Infinity switches a cap off. */
export interface FloodLimits {
  /** Default 200: a page that is left with 100 requests under way cancels all of them at once. */
  readonly resetReceived?: number;
  /** Default 100. */
  readonly resetCaused?: number;
  /** Default 20. */
  readonly settings?: number;
  /** Default 500: gRPC clients measure bandwidth with one PING per round trip. */
  readonly ping?: number;
  /** Default 100. */
  readonly emptyFrame?: number;
  /** Default 1000, and ten for each DATA frame that we have sent in the same second. */
  readonly windowUpdate?: number;
  /** Default 500. */
  readonly priority?: number;
  /** Default 500. */
  readonly ignored?: number;
}

const KINDS = 8;

/** WINDOW_UPDATEs that one DATA frame of ours may cause. */
const UPDATES_PER_DATA = 10;

/** The caps of `FloodGuard`, as one array for all connections of a listener. */
export function floodLimits(limits: FloodLimits = {}): Float64Array {
  const caps = new Float64Array(KINDS);
  caps[FloodKind.resetReceived] = limits.resetReceived ?? 200;
  caps[FloodKind.resetCaused] = limits.resetCaused ?? 100;
  caps[FloodKind.settings] = limits.settings ?? 20;
  caps[FloodKind.ping] = limits.ping ?? 500;
  caps[FloodKind.emptyFrame] = limits.emptyFrame ?? 100;
  caps[FloodKind.windowUpdate] = limits.windowUpdate ?? 1000;
  caps[FloodKind.priority] = limits.priority ?? 500;
  caps[FloodKind.ignored] = limits.ignored ?? 500;
  return caps;
}

/**
 * Counts, per connection and second, what costs us more than it costs the peer. Over a cap the connection
 * is to be closed with GOAWAY and ENHANCE_YOUR_CALM.
 *
 * Seconds are counted from the first frame of each: a burst across a border passes with up to twice the
 * cap, which is fine for caps that are far above honest use.
 */
export class FloodGuard {
  readonly #caps: Float64Array;
  readonly #counts: Int32Array = new Int32Array(KINDS);
  #second: number;

  /**
   * @param caps from `floodLimits`, shared by connections.
   * @param now milliseconds, monotonic.
   */
  constructor(caps: Float64Array, now: number) {
    this.#caps = caps;
    this.#second = now;
  }

  /**
   * Counts one frame.
   * @param now milliseconds, monotonic.
   * @returns whether that is too much: send GOAWAY with ENHANCE_YOUR_CALM and close.
   */
  count(kind: FloodKind, now: number): boolean {
    if (now - this.#second >= 1000) {
      this.#second = now;
      this.#counts.fill(0);
    }
    const count = (this.#counts[kind] as number) + 1;
    this.#counts[kind] = count;
    return count > (this.#caps[kind] as number);
  }

  /** Notes DATA frames that we send, which WINDOW_UPDATEs will answer. */
  dataSent(frames: number): void {
    this.#counts[FloodKind.windowUpdate]! -= frames * UPDATES_PER_DATA;
  }
}
