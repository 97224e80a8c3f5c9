import { ErrorCode, canSend, type RequestHead, type ResponseHead } from '@rp/parser';
import { ProxyFailure } from '../../failure.ts';
import { StreamTunnelEnd, type TunnelStream } from '../../http2/stream-tunnel.ts';
import { acceptOfUpgrade, asSwitch, isWebSocket } from '../../http2/websocket.ts';
import { ownedChunk } from '../../read-buffers.ts';
import type { Tunnel } from '../../tunnel.ts';
import { StreamRequest } from './stream-request.ts';

/**
 * A stream to a backend that may become the end of a tunnel: upgrades to WebSocket go out as extended CONNECT
 * (RFC 8441), whatever version the client speaks.
 */
export abstract class StreamUpgrade extends StreamRequest implements TunnelStream {
  /** What the client must find in the answer. */
  #accept = '';
  protected tunnel: Tunnel | undefined = undefined;
  #over: (() => void) | undefined = undefined;
  #gone = false;
  #end: StreamTunnelEnd | undefined = undefined;

  /** Ends the stream, whatever waits. */
  abstract reset(code: ErrorCode): void;
  /** What came breaks a rule of the message. */
  abstract invalid(detail: string): void;
  abstract pauseReading(): void;
  abstract resumeReading(): void;

  refusesUpgrade(request: RequestHead): ProxyFailure | undefined {
    if (!isWebSocket(request) || !this.session.carriesUpgrades)
      return new ProxyFailure('NOT_IMPLEMENTED', `the backend takes no ${request.upgrade} over HTTP/2`);
    const accept = acceptOfUpgrade(request);
    if (accept === undefined) return new ProxyFailure('BAD_REQUEST', 'not a WebSocket handshake');
    this.#accept = accept;
    return undefined;
  }

  /** The backend said 2xx. */
  protected switchProtocols(head: ResponseHead, endStream: boolean): void {
    const exchange = this.exchange!;
    const { downstream } = exchange;
    const switched = asSwitch(head, this.#accept);
    if (!downstream.mayTunnel(switched)) return this.invalid('an upgrade that nobody waits for');
    this.runtime.wheel.disarm(this);
    this.exchange = undefined;
    this.#end = new StreamTunnelEnd(this);
    const tunnel = downstream.openTunnel(switched, this.#end);
    this.tunnel = tunnel;
    const over = exchange.tunnelled();
    // It may have ended while it was being opened.
    if (this.#gone) return over();
    this.#over = over;
    if (endStream) tunnel.backendEnded();
  }

  protected override drained(): void {
    if (this.tunnel !== undefined) this.tunnel.backendDrained();
    else if (this.#end !== undefined) this.#settle();
    else if (!this.ending) this.exchange?.backendDrained();
  }

  tunnelWrite(bytes: Buffer): boolean {
    if (canSend(this.state)) this.put(bytes, 0, bytes.length, ownedChunk);
    return this.queue.length === 0;
  }

  tunnelClosed(): void {
    this.tunnel = undefined;
    this.sendEnd(undefined);
    this.#settle();
  }

  /** The tunnel is closed: so is its stream, when nothing waits any more. */
  #settle(): void {
    if (this.queue.length === 0) this.reset(ErrorCode.CANCEL);
  }

  /** The stream is over. */
  protected tunnelGone(): void {
    this.#end?.detach();
    this.#gone = true;
    this.#over?.();
    const { tunnel } = this;
    this.tunnel = undefined;
    tunnel?.backendClosed();
  }
}
