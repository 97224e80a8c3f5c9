import { Counter } from './counters.ts';
import type { Exchange } from './exchange.ts';
import type { ExchangeOutcome } from './exchange-outcome.ts';
import type { AccessLog, Runtime } from './runtime.ts';

/** Tells counters, access log and handlers of an exchange that has ended. */
export function account(exchange: Exchange, outcome: ExchangeOutcome, runtime: Runtime): void {
  const { counters, accessLog, hooks } = runtime;
  counters.cells[Counter.bytesFromClients]! += exchange.bytesIn;
  counters.cells[Counter.bytesToClients]! += exchange.bytesOut;
  if (exchange.status !== 0) counters.response(exchange.status, runtime.now - exchange.startedAt);
  if (accessLog !== undefined) tell(accessLog, exchange, runtime);
  if (hooks.responseSent.active && outcome !== 'clientGone') {
    hooks.responseSent.run({ exchange, status: exchange.status, bytesSent: exchange.bytesOut }, () => {});
  }
}

function tell(accessLog: AccessLog, exchange: Exchange, runtime: Runtime): void {
  try {
    accessLog.log(exchange);
  } catch (error) {
    // A log that fails is no reason to keep a response from its client.
    runtime.internalError(error, undefined);
  }
}
