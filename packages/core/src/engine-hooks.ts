import type { RequestHead, ResponseHead } from '@rp/parser';
import type { Exchange } from './exchange.ts';
import type { ProxyFailure } from './failure.ts';
import { HookPoint, type HookFailure } from './hooks.ts';

export interface ConnectionEvent {
  readonly address: string;
  readonly secure: boolean;
}

export interface RequestEvent {
  readonly exchange: Exchange;
  /** Fields may be changed with `setField` and `removeField`. */
  readonly request: RequestHead;
  readonly clientAddress: string;
}

export interface BackendEvent extends RequestEvent {
  /** The chosen backend's key. */
  readonly backend: string;
}

export interface ResponseEvent extends RequestEvent {
  /** Fields may be changed with `setField` and `removeField`. */
  readonly response: ResponseHead;
}

export interface SentEvent {
  readonly exchange: Exchange;
  readonly status: number;
  readonly bytesSent: number;
}

export interface ErrorEvent {
  readonly exchange: Exchange;
  readonly failure: ProxyFailure;
}

/** The typed events of the pipeline, in the order in which an exchange passes them (spec 7.6). */
export class Hooks {
  /** A client connected. An answer closes the connection without a response. */
  readonly connectionEstablished: HookPoint<ConnectionEvent>;
  /** The request head is read and valid; nothing was decided yet. */
  readonly requestParsed: HookPoint<RequestEvent>;
  /** Before the cache is asked. */
  readonly cacheLookup: HookPoint<RequestEvent>;
  /** A backend was chosen, nothing was sent to it. */
  readonly backendSelected: HookPoint<BackendEvent>;
  /** The head of the final response arrived; nothing was sent to the client. */
  readonly responseReceived: HookPoint<ResponseEvent>;
  /** The response was handed to the client's socket. Answers are ignored. */
  readonly responseSent: HookPoint<SentEvent>;
  /** An exchange failed. Answers are ignored. */
  readonly error: HookPoint<ErrorEvent>;

  constructor(report: (failure: HookFailure) => void) {
    this.connectionEstablished = new HookPoint('connectionEstablished', report);
    this.requestParsed = new HookPoint('requestParsed', report);
    this.cacheLookup = new HookPoint('cacheLookup', report);
    this.backendSelected = new HookPoint('backendSelected', report);
    this.responseReceived = new HookPoint('responseReceived', report);
    this.responseSent = new HookPoint('responseSent', report);
    this.error = new HookPoint('error', report);
  }

  /** Some handler is shown exchanges, and may look at one when it has long ended. */
  get showsExchanges(): boolean {
    return (
      this.requestParsed.active ||
      this.cacheLookup.active ||
      this.backendSelected.active ||
      this.responseReceived.active ||
      this.responseSent.active ||
      this.error.active
    );
  }
}
