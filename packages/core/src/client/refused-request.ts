import { BodyFraming, RequestHead } from '@rp/parser';

/** Characters that are kept of the first line of a request that could not be read. */
export const MAX_REFUSED_LINE = 1_024;

/** What can be told of a request that could not be read: for the access log, and nothing else. */
export interface RefusedRequest {
  readonly head: RequestHead;
  /** As the client said it; '' if it did not come to that. */
  readonly version: string;
}

/** @param text what came of the request; only its first line is looked at, since fields may be secret */
export function refusedRequest(text: string): RefusedRequest {
  const [line = ''] = text
    .replace(/^[\r\n]+/, '')
    .slice(0, MAX_REFUSED_LINE)
    .split(/[\r\n]/, 1);
  // Three words, and what is not so is all target.
  const parts = /^(?:([\w!#$%&'*+.^`|~-]{1,64}) )?(.*?)(?: (HTTP\/[\d.]{1,8}))?$/su.exec(line);
  const [, method = '', target = '', version = ''] = parts ?? [];
  const minor = version === 'HTTP/1.0' ? 0 : 1;
  return {
    head: new RequestHead(method, target, minor, [], [], BodyFraming.none, -1, '', '', false, '', false),
    version,
  };
}
