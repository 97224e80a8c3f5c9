import { BodyFraming, type RequestHead, type ResponseHead } from '@rp/parser';
import type { LocalAnswer } from './answers.ts';
import type { BackendStream } from './backend/stream.ts';
import { isRequestIntact, isResponseIntact } from './edited-heads.ts';
import type { RequestEvent } from './engine-hooks.ts';
import type { Exchange } from './exchange.ts';
import { ProxyFailure } from './failure.ts';
import { refusal, type HookPoint } from './hooks.ts';
import type { Runtime } from './runtime.ts';

/** Runs handlers that look at the request; `next` only if they let it pass, and the exchange still lives. */
export function askHandlers(
  point: HookPoint<RequestEvent>,
  exchange: Exchange,
  runtime: Runtime,
  next: () => void,
): void {
  const { request, clientAddress } = exchange;
  point.run({ exchange, request, clientAddress }, (verdict) =>
    goOn(exchange, request, verdict, runtime, next),
  );
}

/** The same for `backendSelected`; `backend` is the key of the chosen one. */
export function askOfBackend(exchange: Exchange, backend: string, runtime: Runtime, next: () => void): void {
  const { request, clientAddress } = exchange;
  runtime.hooks.backendSelected.run({ exchange, request, clientAddress, backend }, (verdict) =>
    goOn(exchange, request, verdict, runtime, next),
  );
}

/**
 * The same for `responseReceived`. `send` hands the head on, and returns the connection that it came by.
 *
 * @returns false if a handler takes its time: the connection is told to proceed when all of them have looked
 */
export function askOfResponse(
  exchange: Exchange,
  response: ResponseHead,
  runtime: Runtime,
  send: () => BackendStream | undefined,
): boolean {
  const { request, clientAddress } = exchange;
  let decided = false;
  let asynchronous = false;
  runtime.hooks.responseReceived.run({ exchange, request, clientAddress, response }, (verdict) =>
    goOn(exchange, request, verdict, runtime, () => {
      decided = true;
      if (!isResponseIntact(response)) {
        return exchange.fail(new ProxyFailure('INTERNAL', 'a handler wrote what no response may have'));
      }
      const connection = send();
      if (asynchronous) connection?.proceed();
    }),
  );
  asynchronous = true;
  return decided || !exchange.active;
}

/** After a hook, which may have taken its time: the exchange may be over by then. */
function goOn(
  exchange: Exchange,
  request: RequestHead,
  verdict: LocalAnswer | undefined,
  runtime: Runtime,
  next: () => void,
): void {
  runtime.touch();
  if (!exchange.active || exchange.request !== request) return;
  if (verdict === refusal)
    return exchange.fail(new ProxyFailure('INTERNAL', 'a handler failed, and refuses then'));
  if (verdict === undefined) {
    if (isRequestIntact(request)) next();
    else exchange.fail(new ProxyFailure('INTERNAL', 'a handler wrote what no request may have'));
  } else exchange.answer(verdict, !exchange.requestComplete && request.framing !== BodyFraming.none);
}
