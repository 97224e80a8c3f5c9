import { appendFileSync } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';
import timers from 'node:timers';
import { MessagePort, isMainThread, threadId, workerData } from 'node:worker_threads';

/*
 * Loaded into the proxy by `--import`, in every thread: it times every callback of a timer and every message, which is
 * where all upkeep begins, and writes what took longest each second to the file that `RP_UPKEEP_LOG` names. Times are
 * processor times of the thread, those of the garbage collector excepted.
 */

/** What is known of the callbacks that began at one place of the source. */
interface Site {
  calls: number;
  worst: number;
  sum: number;
}

export interface UpkeepLine {
  readonly thread: string;
  readonly site: string;
  readonly calls: number;
  /** Milliseconds. */
  readonly worst: number;
  readonly sum: number;
}

type Callback = (...parameters: unknown[]) => unknown;

const file = process.env.RP_UPKEEP_LOG;
const sites = new Map<string, Site>();
const index: unknown = (workerData as { readonly index?: unknown } | null)?.index;
const thread = isMainThread ? 'main' : `worker ${String(index ?? threadId)}`;

/** Where, outside of Node and of this file, the caller's caller stands. */
function placeOf(): string {
  const lines = (new Error('place').stack ?? '').split('\n').slice(2);
  const line = lines.find((one) => one.includes('file://') && !one.includes('upkeep-probe'));
  return /([\w-]+\.[jt]s:\d+)/.exec(line ?? '')?.[1] ?? 'node';
}

function timed(callback: Callback, site: string): Callback {
  return function (this: unknown, ...parameters: unknown[]): unknown {
    const start = processorTime();
    try {
      return callback.apply(this, parameters);
    } finally {
      note(site, processorTime() - start);
    }
  };
}

/** Milliseconds of this thread: what others do on the same core is not counted. */
function processorTime(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function note(name: string, took: number): void {
  const site = sites.get(name) ?? { calls: 0, worst: 0, sum: 0 };
  sites.set(name, site);
  site.calls++;
  site.sum += took;
  site.worst = Math.max(site.worst, took);
}

function report(): void {
  if (file === undefined) return;
  const lines = [...sites].map(([site, seen]): UpkeepLine => ({ thread, site, ...seen }));
  sites.clear();
  appendFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

const setIntervalBefore = timers.setInterval;
for (const name of ['setTimeout', 'setInterval', 'setImmediate'] as const) {
  const before: Callback = timers[name] as Callback;
  const patched = (callback: Callback, ...rest: unknown[]): unknown =>
    before(timed(callback, `${name} ${placeOf()}`), ...rest);
  Reflect.set(timers, name, Object.assign(patched, before));
  Reflect.set(globalThis, name, Object.assign(patched, before));
}

const onBefore: Callback = MessagePort.prototype.on as Callback;
Reflect.set(MessagePort.prototype, 'on', function (this: MessagePort, event: string, callback: Callback) {
  if (event !== 'message') return onBefore.call(this, event, callback);
  const site = placeOf();
  return onBefore.call(this, event, (message: { readonly type?: unknown }) =>
    timed(callback, `message ${String(message.type)} ${site}`)(message),
  );
});

new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) note('garbage collection', duration);
}).observe({ entryTypes: ['gc'] });
setIntervalBefore(report, 1000).unref();
