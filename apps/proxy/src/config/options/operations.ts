import { listenAddressMistake } from '../address.ts';
import { boolean, choice, integer, nullable, section, text } from '../option.ts';
import type { Section } from '../option.ts';

/** One line per request. */
export interface AccessLogOptions {
  readonly enabled: boolean;
  readonly format: 'json' | 'common' | 'combined';
  /** `stdout`, `stderr` or an absolute path. */
  readonly file: string;
}

/** What the process says about itself. */
export interface Log {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** `stdout`, `stderr` or an absolute path. */
  readonly file: string;
  readonly access: AccessLogOptions;
}

/** The admin listener. */
export interface Admin {
  readonly address: string;
  readonly port: number;
  readonly token: string | null;
}

const logFile = 'stdout, stderr, or the path of a file, absolute or from the folder of this file';

/** `log` */
export const log: Section<Log> = section('Logs.', {
  level: choice(['debug', 'info', 'warn', 'error'], {
    doc: 'Least level that is written.',
    fallback: 'info',
  }),
  file: text({ doc: 'Where the log goes; reopened on SIGUSR1.', allowed: logFile, fallback: 'stderr' }),
  access: section<AccessLogOptions>('One line per request.', {
    enabled: boolean({ doc: 'Switches it on.', fallback: true }),
    format: choice(['json', 'common', 'combined'], { doc: 'Format of a line.', fallback: 'json' }),
    file: text({ doc: 'Where it goes; reopened on SIGUSR1.', allowed: logFile, fallback: 'stdout' }),
  }),
});

/** `admin` */
export const admin: Section<Admin> = section(
  'Admin listener: health, readiness, statistics, metrics, purge, reload. Off where left out.',
  {
    address: text({
      doc: 'Address; anything but loopback needs a `token`.',
      allowed: 'an IP address or a host name',
      fallback: '127.0.0.1',
      mistake: listenAddressMistake,
    }),
    port: integer({ doc: 'TCP port; 0 takes any free one.', fallback: 9901, min: 0, max: 65_535 }),
    token: nullable(
      text({
        doc: 'Clients send it as `Authorization: Bearer …`. Use `${NAME}` rather than writing it into the file.',
        allowed: 'at least 16 visible ASCII characters',
        pattern: '^[!-~]{16,}$',
        secret: true,
      }),
    ),
  },
);
