import { availableParallelism } from 'node:os';
import { readSource, type ConfigSource, type Io, type ListeningAddress } from '../cli/io.ts';
import { formatProblems, type ProxyConfig } from '../config/index.ts';
import { LogSink, createLogger, setLevel, type Logger } from '../log/index.ts';
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
  const supervisor = new Supervisor(config, workerCount(config), logger);
  try {
    const listening = await supervisor.start();
    logger.info({ listening: listening.map(describe), workers: workerCount(config) }, 'Ready');
    io.onReady(listening);
  } catch (error) {
    io.stderr.write(`rp: cannot start: ${error instanceof Error ? error.message : String(error)}\n`);
    sink.close();
    return 1;
  }
  const code = await untilTold(supervisor, source, io, logger, sink);
  sink.close();
  return code;
}

function workerCount(config: ProxyConfig): number {
  return config.workers === 'auto' ? availableParallelism() : config.workers;
}

function describe(listening: ListeningAddress): string {
  const host = listening.address.includes(':') ? `[${listening.address}]` : listening.address;
  return `${listening.tls ? 'https' : 'http'}://${host}:${listening.port}`;
}

/** Signals until the end: SIGHUP reloads, SIGUSR1 reopens logs, SIGTERM and SIGINT drain, a second one ends at once. */
function untilTold(
  supervisor: Supervisor,
  source: ConfigSource,
  io: Io,
  logger: Logger,
  sink: LogSink,
): Promise<number> {
  return new Promise((resolve) => {
    let ending = false;
    const handlers: Partial<Record<NodeJS.Signals, () => void>> = {
      SIGHUP: () => reload(supervisor, source, io, logger),
      SIGUSR1: () => {
        sink.reopen();
        supervisor.reopenLogs();
      },
      SIGTERM: () => void end('SIGTERM'),
      SIGINT: () => void end('SIGINT'),
    };
    const end = async (signal: string): Promise<void> => {
      if (ending) {
        logger.warn({ signal }, 'second signal: ending at once');
        await supervisor.terminate();
        return finish(1);
      }
      ending = true;
      const { drain } = supervisor.config.timeouts;
      logger.info({ signal, limitMs: drain }, 'draining');
      const cut = await supervisor.drain(drain);
      logger.info({ cut }, 'stopped');
      finish(0);
    };
    const finish = (code: number): void => {
      for (const [signal, handler] of Object.entries(handlers)) process.off(signal, handler);
      resolve(code);
    };
    for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler);
  });
}

function reload(supervisor: Supervisor, source: ConfigSource, io: Io, logger: Logger): void {
  if (source.kind === 'fixed') return logger.warn('there is no configuration file to reload');
  const { config, problems } = readSource(source, io.env);
  if (config === null) {
    logger.error({ problems: formatProblems(problems) }, 'reload refused: the running configuration stays');
    return;
  }
  const plan = supervisor.reload(config);
  setLevel(logger, config.log.level);
  logger.info({ version: supervisor.version, ...plan }, 'reloaded');
}
