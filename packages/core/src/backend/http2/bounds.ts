/** Streams that one session has at a time, however many the backend allows. */
export const MAX_STREAMS = 100;

/** Sessions of one worker to one backend. More serve only where all of them are full. */
export const MAX_SESSIONS = 4;

/** Octets of response bodies up to which a piece is copied, so that it does not keep its read buffer from being used again. */
export const COPY_BELOW = 4_096;

/** Milliseconds without connects after a failed one: the first time, and at most. */
export const BACKOFF_FIRST = 100;
export const BACKOFF_MOST = 5_000;
