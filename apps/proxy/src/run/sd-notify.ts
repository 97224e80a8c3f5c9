import { spawn } from 'node:child_process';
import type { Env } from '../config/index.ts';
import type { Logger } from '../log/index.ts';

/** What systemd is told (sd_notify(3)). */
export type ServiceState = 'ready' | 'stopping';

/**
 * Tells systemd, where it wants to know (`Type=notify`). Node has no Unix datagram sockets, so `systemd-notify` does
 * it, which needs `NotifyAccess=all` in the unit. Never waits, and a failure is only logged.
 */
export function notifyService(state: ServiceState, env: Env, logger: Logger): void {
  if ((env.NOTIFY_SOCKET ?? '') === '') return;
  const args = [state === 'ready' ? '--ready' : '--stopping', `--pid=${process.pid}`];
  const child = spawn('systemd-notify', args, { stdio: 'ignore', env: { ...env } });
  child.on('error', (error) => logger.warn({ error: error.message }, 'systemd-notify cannot be run'));
  child.on('exit', (code) => {
    if (code !== 0) logger.warn({ code }, 'systemd-notify failed');
  });
  child.unref();
}
