import { answerFault } from './answer-check.ts';
import type { LocalAnswer } from './answers.ts';

/** What a handler may return: nothing (go on) or a response of its own, which ends the exchange. */
export type HookVerdict = LocalAnswer | undefined | void;
export type HookHandler<E> = (event: E) => HookVerdict | Promise<HookVerdict>;

export interface HookOptions {
  /** Lower runs earlier; equal ones run in the order they were added. Default 0. */
  priority?: number;
  /** Milliseconds an asynchronous handler may take. Default 1,000. */
  timeBudget?: number;
  /** What a handler that throws or overruns means: go on without it, or answer 500. Default `skip`. */
  onFailure?: 'skip' | 'refuse';
  /** For reports. Default: the function's name. */
  name?: string;
}

interface Registered<E> {
  readonly handler: HookHandler<E>;
  readonly priority: number;
  readonly timeBudget: number;
  readonly refuses: boolean;
  readonly name: string;
}

/** A handler threw or took too long. Reported, never thrown. */
export interface HookFailure {
  readonly hook: string;
  readonly handler: string;
  readonly error: Error;
}

/** The verdict of a handler that failed and refuses then, or whose answer is none: ends the exchange with 500. */
export const refusal: LocalAnswer = { status: 500 };

/**
 * One place in the pipeline where handlers may look, change, answer or refuse (spec 7.6). Without handlers the
 * pipeline sees `active === false` and nothing else happens.
 */
export class HookPoint<E> {
  readonly #hook: string;
  readonly #report: (failure: HookFailure) => void;
  #handlers: readonly Registered<E>[] = [];
  /** Read by the pipeline before anything is built for the handlers. */
  active = false;

  constructor(hook: string, report: (failure: HookFailure) => void) {
    this.#hook = hook;
    this.#report = report;
  }

  /** Adds a handler; returns what removes it. Runs that are under way keep the handlers they started with. */
  on(handler: HookHandler<E>, options: HookOptions = {}): () => void {
    const added: Registered<E> = {
      handler,
      priority: options.priority ?? 0,
      timeBudget: options.timeBudget ?? 1000,
      refuses: options.onFailure === 'refuse',
      name: options.name ?? (handler.name || 'anonymous'),
    };
    this.#set([...this.#handlers, added].sort((a, b) => a.priority - b.priority));
    return () => this.#set(this.#handlers.filter((other) => other !== added));
  }

  /** Runs them in order; `done` is called once, synchronously if every handler was synchronous. */
  run(event: E, done: (verdict: LocalAnswer | undefined) => void): void {
    this.#runFrom(this.#handlers, 0, event, done);
  }

  #set(handlers: readonly Registered<E>[]): void {
    this.#handlers = handlers;
    this.active = handlers.length > 0;
  }

  #runFrom(
    handlers: readonly Registered<E>[],
    first: number,
    event: E,
    done: (verdict: LocalAnswer | undefined) => void,
  ): void {
    for (let i = first; i < handlers.length; i++) {
      const current = handlers[i]!;
      let result: HookVerdict | PromiseLike<HookVerdict>;
      try {
        result = current.handler(event);
      } catch (error) {
        result = this.#failed(current, error);
      }
      if (isThenable(result)) {
        this.#settle(current, result, (verdict) => {
          if (verdict === undefined || verdict === null) this.#runFrom(handlers, i + 1, event, done);
          else done(this.#checked(current, verdict));
        });
        return;
      }
      if (result !== undefined && result !== null) return done(this.#checked(current, result));
    }
    done(undefined);
  }

  #settle(
    current: Registered<E>,
    pending: PromiseLike<HookVerdict>,
    next: (verdict: LocalAnswer | undefined) => void,
  ): void {
    let settled = false;
    const settle = (verdict: HookVerdict): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      next(verdict as LocalAnswer | undefined);
    };
    const timer = setTimeout(() => {
      if (!settled) settle(this.#failed(current, new Error(`took longer than ${current.timeBudget} ms`)));
    }, current.timeBudget);
    pending.then(settle, (error: unknown) => {
      if (!settled) settle(this.#failed(current, error));
    });
  }

  #checked(current: Registered<E>, verdict: LocalAnswer): LocalAnswer {
    if (verdict === refusal) return verdict;
    const fault = answerFault(verdict);
    if (fault === undefined) return verdict;
    this.#failed(current, new TypeError(fault));
    return refusal;
  }

  #failed(current: Registered<E>, error: unknown): HookVerdict {
    this.#report({
      hook: this.#hook,
      handler: current.name,
      error: error instanceof Error ? error : new Error(String(error)),
    });
    return current.refuses ? refusal : undefined;
  }
}

function isThenable(value: unknown): value is PromiseLike<HookVerdict> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
