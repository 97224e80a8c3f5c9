import { spawn } from 'node:child_process';
import type { Env } from '../config/index.ts';
import type { Logger } from '../log/index.ts';

/** What systemd is told (sd_notify(3)). */
export type ServiceState = 'ready' | 'reloading' | 'stopping';

/**
 * Tells systemd, where it wants to know (`Type=notify`, `Type=notify-reload`). Node has no Unix datagram sockets, so
 * `systemd-notify` does it, which needs `NotifyAccess=all` in the unit. One after the other, in the order of the calls;
 * nobody waits for it, and a failure is only logged.
 */
export class ServiceNotifier {
  readonly #env: Env;
  readonly #logger: Logger;
  #last: Promise<void> = Promise.resolve();

  constructor(env: Env, logger: Logger) {
    this.#env = env;
    this.#logger = logger;
  }

  tell(state: ServiceState): void {
    if ((this.#env.NOTIFY_SOCKET ?? '') === '') return;
    const args = [`--pid=${process.pid}`, ...wordsOf(state)];
    this.#last = this.#last.then(() => this.#run(args));
  }

  #run(args: readonly string[]): Promise<void> {
    return new Promise((resolve) => {
      const child = spawn('systemd-notify', args, { stdio: 'ignore', env: { ...this.#env } });
      child.on('error', (error) => {
        this.#logger.warn({ error: error.message }, 'systemd-notify cannot be run');
        resolve();
      });
      child.on('exit', (code) => {
        if (code !== 0) this.#logger.warn({ code }, 'systemd-notify failed');
        resolve();
      });
      child.unref();
    });
  }
}

/** The monotonic time tells systemd which of its signals this answers. */
function wordsOf(state: ServiceState): readonly string[] {
  if (state !== 'reloading') return [`--${state}`];
  return ['RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`];
}
