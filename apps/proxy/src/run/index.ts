import { availableParallelism } from 'node:os';
import type { AdminServer } from '../admin/index.ts';
import { readSource, type ConfigSource, type Io, type ListeningAddress } from '../cli/io.ts';
import { formatProblems, type ProxyConfig } from '../config/index.ts';
import { LogSink, createLogger, type Logger } from '../log/index.ts';
import { handedSockets } from './handed-sockets.ts';
import { ListeningSockets } from './listening-sockets.ts';
import { Reloader } from './reloader.ts';
import { ServiceNotifier } from './sd-notify.ts';
import { onSignals } from './signals.ts';
import { Supervisor } from './supervisor.ts';

/** Runs the proxy until a signal ends it; resolves to the exit code of the process. */
export async function runProxy(source: ConfigSource, io: Io): Promise<number> {
  const { config, problems } = readSource(source, io.env);
  if (config === null) {
    io.stderr.write(formatProblems(problems));
    return 2;
  }
  const sink = new LogSink(config.log.file);
  const logger = createLogger({ level: config.log.level, sink });
  try {
    return await run(config, source, io, logger, sink);
  } catch (error) {
    io.stderr.write(`rp: cannot start: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    await sink.close();
  }
}

/** From the first socket to the last. Rejects where it cannot start; after that it logs. */
async function run(
  config: ProxyConfig,
  source: ConfigSource,
  io: Io,
  logger: Logger,
  sink: LogSink,
): Promise<number> {
  const workers = config.workers === 'auto' ? availableParallelism() : config.workers;
  const handed = handedSockets(io.env, process.pid);
  const sockets = new ListeningSockets(workers, logger, handed);
  const supervisor = new Supervisor({ config, workers, logger, sockets });
  const service = new ServiceNotifier(io.env, logger);
  const reloader = new Reloader({ supervisor, source, env: io.env, logger, service });
  const life = new Life({ supervisor, reloader, logger, sink, service });
  const admin = await adminServer(config.admin, { supervisor, reloader, logger });
  try {
    // A predecessor that hands its sockets over keeps its admin listener to the end.
    await (handed.length === 0 ? admin?.listen() : admin?.listenWhenFree());
    const started = await life.until(supervisor.start());
    for (const { address, port } of sockets.left)
      logger.warn({ address, port }, 'a socket that was handed over fits no listener and is left alone');
    if (started !== undefined) {
      logger.info({ listening: started.map(describe), workers, admin: admin?.url }, 'Ready');
      service.tell('ready');
      life.started();
      io.onReady(started);
    }
    return await life.ended;
  } finally {
    life.close();
    await supervisor.terminate();
    await admin?.close();
  }
}

/** Loaded only if there is to be one: what it needs of Node's HTTP and of metrics takes 20 MiB of memory. */
async function adminServer(
  admin: ProxyConfig['admin'],
  parts: ConstructorParameters<typeof AdminServer>[1],
): Promise<AdminServer | undefined> {
  if (admin === null) return undefined;
  const loaded = await import('../admin/index.ts');
  return new loaded.AdminServer(admin, parts);
}

function describe(listening: ListeningAddress): string {
  const host = listening.address.includes(':') ? `[${listening.address}]` : listening.address;
  return `${listening.tls ? 'https' : 'http'}://${host}:${listening.port}`;
}

/** What signals act on. */
interface LifeParts {
  readonly supervisor: Supervisor;
  readonly reloader: Reloader;
  readonly logger: Logger;
  readonly sink: LogSink;
  readonly service: ServiceNotifier;
}

/** What signals mean, from before the start to the end. */
class Life {
  /** The exit code, once the process is to end. */
  readonly ended: Promise<number>;
  readonly #supervisor: Supervisor;
  readonly #reloader: Reloader;
  readonly #logger: Logger;
  readonly #service: ServiceNotifier;
  readonly #off: () => void;
  #end: (code: number) => void = () => undefined;
  #hasStarted = false;
  #reloadWanted = false;
  #forced = false;

  constructor({ supervisor, reloader, logger, sink, service }: LifeParts) {
    this.#supervisor = supervisor;
    this.#reloader = reloader;
    this.#logger = logger;
    this.#service = service;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#off = onSignals({
      reload: () => this.#reload(),
      reopenLogs: () => {
        sink.reopen();
        supervisor.reopenLogs();
      },
      drain: (signal) => void this.#drain(signal),
      endNow: (signal) => void this.#endNow(signal),
    });
  }

  /** The result of `starting`, or `undefined` where the process is told to end before. */
  until<T>(starting: Promise<T>): Promise<T | undefined> {
    return Promise.race([starting, this.ended.then(() => undefined)]);
  }

  /** A reload that was asked for meanwhile is made now. */
  started(): void {
    this.#hasStarted = true;
    if (this.#reloadWanted) void this.#reloader.reload();
  }

  close(): void {
    this.#off();
  }

  #reload(): void {
    if (this.#hasStarted) void this.#reloader.reload();
    else this.#reloadWanted = true;
  }

  async #drain(signal: string): Promise<void> {
    const { drain } = this.#supervisor.config.timeouts;
    this.#logger.info({ signal, limitMs: drain }, 'draining');
    this.#service.tell('stopping');
    const cut = await this.#supervisor.drain(drain);
    if (this.#forced) return;
    this.#logger.info({ cut }, 'stopped');
    this.#end(0);
  }

  async #endNow(signal: string): Promise<void> {
    this.#forced = true;
    this.#logger.warn({ signal }, 'second signal: ending at once');
    await this.#supervisor.terminate();
    this.#end(1);
  }
}
