import { readSource, type ConfigSource } from '../cli/io.ts';
import { formatProblems, type Env, type Plan, type Problem } from '../config/index.ts';
import type { Logger } from '../log/index.ts';
import type { Supervisor } from './supervisor.ts';

/** What came of a reload. */
export type ReloadResult =
  | { readonly outcome: 'reloaded'; readonly version: number; readonly plan: Plan }
  /** The file has mistakes; nothing was changed. */
  | { readonly outcome: 'refused'; readonly problems: readonly Problem[] }
  /** There is no file to read again, or the process is on its way up or down; nothing was changed. */
  | { readonly outcome: 'impossible'; readonly reason: string };

/** Reads the configuration again: on SIGHUP and for the admin interface (spec 2.8). */
export class Reloader {
  readonly #supervisor: Supervisor;
  readonly #source: ConfigSource;
  readonly #env: Env;
  readonly #logger: Logger;
  #reloads = 0;
  #refused = 0;

  constructor(supervisor: Supervisor, source: ConfigSource, env: Env, logger: Logger) {
    this.#supervisor = supervisor;
    this.#source = source;
    this.#env = env;
    this.#logger = logger;
  }

  /** Reloads that took effect, and that were refused. */
  get counts(): { readonly applied: number; readonly refused: number } {
    return { applied: this.#reloads, refused: this.#refused };
  }

  /** The file is checked as a whole before anything changes, and its differences are logged before they apply. */
  reload(): ReloadResult {
    const supervisor = this.#supervisor;
    if (this.#source.kind === 'fixed') return this.#impossible('there is no configuration file to reload');
    if (!supervisor.isReady) return this.#impossible('the proxy is not ready');
    const { config, problems } = readSource(this.#source, this.#env);
    if (config === null) {
      this.#refused++;
      const fields = { problems: formatProblems(problems) };
      this.#logger.error(fields, 'reload refused: the running configuration stays');
      return { outcome: 'refused', problems };
    }
    const plan = supervisor.plan(config);
    const { added, removed, changed, needsRestart } = plan;
    this.#logger.info({ added, removed, changed, needsRestart }, 'reloading');
    supervisor.reload(config);
    this.#reloads++;
    if (needsRestart.length > 0)
      this.#logger.warn({ needsRestart }, 'some changes take effect only after a restart');
    this.#logger.info({ version: supervisor.version }, 'reloaded');
    return { outcome: 'reloaded', version: supervisor.version, plan };
  }

  #impossible(reason: string): ReloadResult {
    this.#logger.warn({ reason }, 'reload refused');
    return { outcome: 'impossible', reason };
  }
}
