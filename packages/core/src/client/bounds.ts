/** Bytes of pipelined requests that are kept for later; then the client is not read until it is its turn. */
export const MAX_BACKLOG = 65_536;

/** Bytes of responses that wait for a client; above it no pipelined request is taken (RFC 9112 §9.3.2). */
export const MAX_UNSENT = 262_144;

/** Milliseconds for which a connection that we end is still read, so that our last words arrive. */
export const LINGER = 2_000;

/** Bytes read and thrown away meanwhile. */
export const MAX_LINGER_BYTES: number = 4 * 1024 * 1024;

/**
 * Milliseconds without progress after which a client that half-closed is asked whether it is still there, and once more
 * as long. Twice must be less than a second: then the backend's work is cancelled.
 */
export const GONE_GRACE = 300;

/** Bytes of a request body that count as progress: less than this per body timeout is a stall (slow body). */
export const BODY_PROGRESS = 32;

/** Exchanges without a request that each listener keeps for the next ones (about 700 bytes each). */
export const MAX_SPARE_EXCHANGES = 1_024;
