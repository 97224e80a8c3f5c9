import type { ResponseHead } from '@rp/parser';

/** 1xx responses to one request; a backend that sends more is broken or hostile. */
export const informationalLimit = 16;

/**
 * Whether a backend connection may carry another exchange: the one decision, after the last byte of a response.
 *
 * @param requestDone the whole request was sent; otherwise its rest would be read as the next request (0.CL)
 */
export function mayReuse(head: ResponseHead, requestDone: boolean, dead: boolean): boolean {
  return head.keepAlive && requestDone && !dead;
}

/** Milliseconds of `Keep-Alive: timeout=n`, 0 where there is none that makes sense. */
export function keepAliveTimeout(value: string | undefined): number {
  const seconds = /(?:^|[,\s])timeout\s*=\s*(\d{1,6})/i.exec(value ?? '')?.[1];
  return seconds === undefined ? 0 : Number(seconds) * 1000;
}
