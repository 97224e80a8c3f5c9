import { FieldId, fieldValue } from '@rp/parser';
import type { Exchange } from '@rp/core';
import { AccessRecord, type AccessLog } from '../log/index.ts';

/** Fills the one record of this thread from an exchange that ended, and logs it. */
export class ExchangeLog {
  readonly #log: AccessLog;
  readonly #now: () => number;
  readonly #record: AccessRecord = new AccessRecord();

  /** @param now monotonic milliseconds, the clock of the engine */
  constructor(log: AccessLog, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  log(exchange: Exchange): void {
    const record = this.#record;
    const { request, startedAt, connectedAt, firstByteAt } = exchange;
    const duration = this.#now() - startedAt;
    record.clear();
    record.time = Date.now() - duration;
    record.client = exchange.downstream.address;
    record.method = request.method;
    record.target = request.target;
    record.version = exchange.downstream.version;
    record.status = exchange.status;
    record.bytesIn = exchange.bytesIn;
    record.bytesOut = exchange.bytesOut;
    record.duration = duration;
    record.upstream = exchange.upstream?.name ?? '';
    record.backend = exchange.backend?.target.key ?? '';
    record.cache = exchange.cacheStatus;
    record.retries = exchange.retries;
    record.requestId = exchange.requestId;
    record.host = request.host;
    record.userAgent = fieldValue(request, FieldId.userAgent) ?? '';
    record.referer = fieldValue(request, FieldId.referer) ?? '';
    if (connectedAt > 0) record.queueTime = connectedAt - startedAt;
    if (firstByteAt > 0) record.firstByteTime = firstByteAt - startedAt;
    record.errorCode = exchange.failure?.code ?? '';
    this.#log.log(record);
  }
}
