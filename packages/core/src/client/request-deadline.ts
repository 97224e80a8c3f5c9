import type { Runtime } from '../runtime.ts';
import { Timer } from '../timer-wheel.ts';
import { BODY_PROGRESS, GONE_GRACE } from './bounds.ts';

/** What a client connection waits for. */
type Waiting = 'nothing' | 'head' | 'body' | 'idle' | 'gone';

/** Whose time it is. */
export interface DeadlineOwner {
  /** The head of a request is not complete in time. */
  headLate(): void;
  /** Its body makes no progress. */
  bodyLate(): void;
  /** No next request came. */
  idleLong(): void;
  /** A client that half-closed has taken nothing for as long as was said. */
  perhapsGone(): void;
}

/** The one timer of an HTTP/1 client connection that is about what the client sends: it waits for one thing at a time. */
export class RequestDeadline extends Timer {
  readonly #runtime: Runtime;
  readonly #owner: DeadlineOwner;
  #waiting: Waiting = 'nothing';
  /** Bytes of the body since the deadline was last moved. */
  #credit = 0;
  /** Bytes of the response at the last look at a half-closed client, and looks since it took something. */
  #taken = 0;
  #looks = 0;

  constructor(runtime: Runtime, owner: DeadlineOwner) {
    super();
    this.#runtime = runtime;
    this.#owner = owner;
  }

  get awaitsBody(): boolean {
    return this.#waiting === 'body';
  }

  get awaitsNothing(): boolean {
    return this.#waiting === 'nothing';
  }

  nothing(): void {
    this.#waiting = 'nothing';
    this.#credit = 0;
    this.#runtime.wheel.disarm(this);
  }

  head(): void {
    this.#wait('head', this.#runtime.settings.timeouts.header);
  }

  body(): void {
    this.#wait('body', this.#runtime.settings.timeouts.body);
  }

  /** Milliseconds until a connection without a request is closed. */
  idle(delay: number): void {
    this.#wait('idle', delay);
  }

  /** A client that half-closed has taken `bytesOut` bytes of its response so far: it is looked at again soon. */
  gone(bytesOut: number): void {
    this.#taken = bytesOut;
    this.#looks = 0;
    this.#wait('gone', GONE_GRACE);
  }

  /** It has `bytesOut` bytes by now, and had less when it was last looked at. */
  tookSomething(bytesOut: number): boolean {
    return bytesOut > this.#taken;
  }

  /** Looks again, ever more rarely. False: it could not be asked whether it is there, and has had its time. */
  lookAgain(asked: boolean): boolean {
    if (!asked && this.#looks > 0) return false;
    this.#wait('gone', GONE_GRACE << Math.min(this.#looks++, 6));
    return true;
  }

  /** So much of a body came; true when it is enough to count (slow body). */
  progress(length: number): boolean {
    this.#credit += length;
    if (this.#credit < BODY_PROGRESS) return false;
    this.#credit = 0;
    return true;
  }

  close(): void {
    this.#runtime.wheel.remove(this);
  }

  override expired(): void {
    switch (this.#waiting) {
      case 'head':
        return this.#owner.headLate();
      case 'body':
        return this.#owner.bodyLate();
      case 'idle':
        return this.#owner.idleLong();
      case 'gone':
        return this.#owner.perhapsGone();
      case 'nothing':
    }
  }

  #wait(what: Waiting, delay: number): void {
    this.#waiting = what;
    this.#credit = 0;
    this.#runtime.wheel.arm(this, delay, this.#runtime.now);
  }
}
