import { readSource, type ConfigSource } from '../cli/io.ts';
import { formatProblems, type Env, type Plan, type Problem, type ProxyConfig } from '../config/index.ts';
import type { Logger } from '../log/index.ts';
import { ListenError } from './listen-error.ts';
import type { ServiceNotifier } from './sd-notify.ts';
import type { Supervisor } from './supervisor.ts';

/** What came of a reload. */
export type ReloadResult =
  | { readonly outcome: 'reloaded'; readonly version: number; readonly plan: Plan }
  /** The file has mistakes; nothing was changed. */
  | { readonly outcome: 'refused'; readonly problems: readonly Problem[] }
  /** There is no file to read again, or the process is on its way up or down; nothing was changed. */
  | { readonly outcome: 'impossible'; readonly reason: string };

/** What a reloader works with. */
export interface ReloaderParts {
  readonly supervisor: Supervisor;
  readonly source: ConfigSource;
  readonly env: Env;
  readonly logger: Logger;
  /** Told when a reload begins and ends. */
  readonly service: ServiceNotifier;
}

/** Reads the configuration again: on SIGHUP and for the admin interface (spec 2.8). */
export class Reloader {
  readonly #supervisor: Supervisor;
  readonly #source: ConfigSource;
  readonly #env: Env;
  readonly #logger: Logger;
  readonly #service: ServiceNotifier;
  #reloads = 0;
  #refused = 0;
  #running: Promise<unknown> = Promise.resolve();
  #waiting: Promise<ReloadResult> | undefined = undefined;

  constructor({ supervisor, source, env, logger, service }: ReloaderParts) {
    this.#supervisor = supervisor;
    this.#source = source;
    this.#env = env;
    this.#logger = logger;
    this.#service = service;
  }

  /** Reloads that took effect, and that were refused. */
  get counts(): { readonly applied: number; readonly refused: number } {
    return { applied: this.#reloads, refused: this.#refused };
  }

  /**
   * The file is checked as a whole before anything changes, and its differences are logged before they apply. One
   * reload at a time: whoever asks while one runs gets the next, which reads the file after that. Never rejects.
   */
  reload(): Promise<ReloadResult> {
    this.#waiting ??= this.#running.then(() => {
      this.#waiting = undefined;
      const result = this.#announced();
      this.#running = result;
      return result;
    });
    return this.#waiting;
  }

  async #announced(): Promise<ReloadResult> {
    // On its way up or down, the process has other things to tell.
    const tells = this.#supervisor.isReady;
    if (tells) this.#service.tell('reloading');
    const result = await this.#once();
    if (tells) this.#service.tell(this.#supervisor.isReady ? 'ready' : 'stopping');
    return result;
  }

  async #once(): Promise<ReloadResult> {
    const supervisor = this.#supervisor;
    if (this.#source.kind === 'fixed') return this.#impossible('there is no configuration file to reload');
    if (!supervisor.isReady) return this.#impossible('the proxy is not ready');
    try {
      const loaded = readSource(this.#source, this.#env, 'again');
      if (loaded.config === null) return this.#refuse(loaded.problems);
      const plan = supervisor.plan(loaded.config);
      const failure = await this.#apply(loaded.config, plan);
      if (failure === undefined) return { outcome: 'reloaded', version: supervisor.version, plan };
      const path = ['listeners', failure.listener, failure.option];
      const problem = loaded.problemAt?.(path, failure.message);
      return this.#refuse(problem === undefined ? [] : [problem]);
    } catch (error) {
      // Nobody waits for a signal's reload: what goes wrong must not end the process.
      const reason = error instanceof Error ? error.message : String(error);
      return this.#impossible(reason);
    }
  }

  /** @returns what is wrong, where nothing was changed */
  async #apply(config: ProxyConfig, plan: Plan): Promise<ListenError | undefined> {
    const { added, removed, changed, needsRestart } = plan;
    this.#logger.info({ added, removed, changed, needsRestart }, 'reloading');
    try {
      await this.#supervisor.reload(config);
    } catch (error) {
      if (error instanceof ListenError) return error;
      throw error;
    }
    this.#reloads++;
    if (needsRestart.length > 0)
      this.#logger.warn({ needsRestart }, 'some changes take effect only after a restart');
    this.#logger.info({ version: this.#supervisor.version }, 'reloaded');
    return undefined;
  }

  #refuse(problems: readonly Problem[]): ReloadResult {
    this.#refused++;
    const fields = { problems: formatProblems(problems) };
    this.#logger.error(fields, 'reload refused: the running configuration stays');
    return { outcome: 'refused', problems };
  }

  #impossible(reason: string): ReloadResult {
    this.#logger.warn({ reason }, 'reload refused');
    return { outcome: 'impossible', reason };
  }
}
