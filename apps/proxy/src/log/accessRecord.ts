/**
 * One finished request, as the access log writes it. The engine keeps one per connection and fills it anew for
 * each request: every field has a value of the same type from the start, "" and -1 stand for "none".
 *
 * There is deliberately no place for `Authorization`, `Cookie`, `Set-Cookie` or any other field of the message:
 * what is not here cannot be logged.
 */
export class AccessRecord {
  /** When the request began: milliseconds since 1970. */
  time = 0;
  /** Address of the client. */
  client = '';
  method = '';
  /** Request target as it came; values of parameters that look like secrets are masked when it is written. */
  target = '';
  /** `HTTP/1.1` and so on. */
  version = '';
  /** Status sent to the client; 0 if none was. */
  status = 0;
  /** Body bytes from the client. */
  bytesIn = 0;
  /** Body bytes to the client. */
  bytesOut = 0;
  /** Milliseconds from the first byte of the request to the last of the response. */
  duration = 0;
  /** Name of the upstream. */
  upstream = '';
  /** Name of the backend that answered. */
  backend = '';
  /** What the cache did: `hit`, `miss`, … */
  cache = '';
  /** Attempts after the first. */
  retries = 0;
  requestId = '';
  host = '';
  userAgent = '';
  referer = '';
  /** Milliseconds from the request until a connection to the backend was ready, a pooled or a new one. */
  queueTime = -1;
  /** Milliseconds from the request to the first byte of the backend's response. */
  firstByteTime = -1;
  /** Code of the failure that ended the request. */
  errorCode = '';

  /** Sets every field back to "none". */
  clear(): void {
    this.time = 0;
    this.client = '';
    this.method = '';
    this.target = '';
    this.version = '';
    this.status = 0;
    this.bytesIn = 0;
    this.bytesOut = 0;
    this.duration = 0;
    this.upstream = '';
    this.backend = '';
    this.cache = '';
    this.retries = 0;
    this.requestId = '';
    this.host = '';
    this.userAgent = '';
    this.referer = '';
    this.queueTime = -1;
    this.firstByteTime = -1;
    this.errorCode = '';
  }
}
