/**
 * Where in a message its sender stands (RFC 9113 §8.1): interim responses and the head, the content, the
 * trailers.
 */
export type MessagePhase = 'head' | 'content' | 'done';

/**
 * What a header block does to a message that is being received.
 * @param interim whether it is a response with status 1xx.
 * @returns the next phase, or `malformed`: a second head, trailers that do not end the stream, an interim
 *   response that does.
 */
export function afterHeaders(
  phase: MessagePhase,
  endStream: boolean,
  interim: boolean,
): MessagePhase | 'malformed' {
  if (phase === 'head') {
    if (interim) return endStream ? 'malformed' : 'head';
    return endStream ? 'done' : 'content';
  }
  // Trailers: RFC 9113 §8.1 wants END_STREAM on them.
  return phase === 'content' && endStream ? 'done' : 'malformed';
}

/** The same for DATA, which must not come before the head. */
export function afterData(phase: MessagePhase, endStream: boolean): MessagePhase | 'malformed' {
  if (phase !== 'content') return 'malformed';
  return endStream ? 'done' : 'content';
}

/**
 * Whether the content fits to `content-length` so far (RFC 9113 §8.1.1): not more, and at the end not less.
 * @param declared octets declared; -1 if they were not.
 * @param received octets of DATA without padding so far.
 * @param ended whether the stream has ended.
 */
export function fitsContentLength(declared: number, received: number, ended: boolean): boolean {
  return declared < 0 || (ended ? received === declared : received <= declared);
}
