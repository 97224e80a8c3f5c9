/** Something that can expire. Owners extend this, so that arming allocates nothing. */
export abstract class Timer {
  /** Monotonic milliseconds at which it expires; `Infinity` while disarmed. Read-only for owners: use the wheel. */
  deadline: number = Infinity;
  /** @internal The tick of the slot that holds it; -1 while in no slot. */
  slotTick = -1;
  /** @internal */
  previous: Timer | undefined = undefined;
  /** @internal */
  next: Timer | undefined = undefined;

  /** Called once, at most one tick late. It may arm itself again. */
  abstract expired(now: number): void;
}

class SlotHead extends Timer {
  override expired(): void {
    throw new Error('the head of a slot never expires');
  }
}

/** What drives a wheel: the event loop's only timer in production, a hand-turned one in tests. */
export interface Ticker {
  /** Calls `tick` about every `interval` milliseconds until the returned function is called. */
  start(interval: number, tick: () => void): () => void;
  /** Calls `tick` once, after what else waits on the event loop. Without it, a tick that was cut short waits for the next. */
  soon?(tick: () => void): void;
}

/** One `setInterval` that does not keep the process alive. */
export const intervalTicker: Ticker = {
  start(interval, tick) {
    const handle = setInterval(tick, interval);
    handle.unref();
    return () => clearInterval(handle);
  },
  soon(tick) {
    setImmediate(tick);
  },
};

/** Milliseconds that one tick may take: when thousands of timers are due at once, traffic has its turns in between. */
const BUDGET = 4;
/** Timers between two looks at the clock. */
const LOOK = 32;

export interface TimerWheelOptions {
  /** Monotonic milliseconds. */
  clock: () => number;
  /** Default: one unreferenced `setInterval`, which runs only while something is armed. */
  ticker?: Ticker;
  /** Milliseconds between ticks, and the most by which a timer is late. Default 50. */
  resolution?: number;
  /** Told what a timer's owner threw. Default: it is thrown on to the event loop. */
  onError?: (error: unknown) => void;
  /** Slots; a timer further ahead than `slots × resolution` is looked at once per turn of the wheel. Default 512. */
  slots?: number;
}

/**
 * A hashed timer wheel: arming, moving and disarming are O(1), and one timer of the event loop serves all.
 *
 * Moving a deadline later (what every request does to its connection) only writes a number: the timer stays in
 * its slot and is put further ahead when that slot comes up. A timeout that is never reached costs one look per
 * time-out period instead of one list operation per request.
 */
export class TimerWheel {
  readonly #clock: () => number;
  readonly #ticker: Ticker;
  readonly #resolution: number;
  readonly #onError: ((error: unknown) => void) | undefined;
  readonly #slots: SlotHead[] = [];
  readonly #epoch: number;
  #tick = 0;
  #linked = 0;
  #armed = 0;
  #turning = false;
  #stop: (() => void) | undefined = undefined;

  constructor(options: TimerWheelOptions) {
    this.#clock = options.clock;
    this.#ticker = options.ticker ?? intervalTicker;
    this.#resolution = options.resolution ?? 50;
    this.#onError = options.onError;
    this.#epoch = this.#clock();
    for (let i = 0; i < (options.slots ?? 512); i++) {
      const head = new SlotHead();
      head.previous = head.next = head;
      this.#slots.push(head);
    }
  }

  /** Timers that wait to expire. */
  get armed(): number {
    return this.#armed;
  }

  /** Sets `timer` to expire `delay` milliseconds after `now`, wherever it stood before. `Infinity` disarms it. */
  arm(timer: Timer, delay: number, now: number): void {
    const deadline = now + delay;
    if (deadline === Infinity) return this.disarm(timer);
    if (timer.deadline === Infinity) this.#armed++;
    timer.deadline = deadline;
    const due = Math.ceil((deadline - this.#epoch) / this.#resolution);
    if (timer.slotTick !== -1) {
      if (timer.slotTick <= due) return;
      this.#unlink(timer);
    }
    this.#link(timer, due);
  }

  /** The timer will not expire. It may keep its slot until that comes up: disarming costs nothing. */
  disarm(timer: Timer): void {
    if (timer.deadline === Infinity) return;
    timer.deadline = Infinity;
    this.#armed--;
  }

  /** Disarms and lets go of the timer at once, so that a closed owner can be collected. */
  remove(timer: Timer): void {
    this.disarm(timer);
    if (timer.slotTick !== -1) this.#unlink(timer);
  }

  /** Stops the event loop's timer. Armed timers never expire afterwards. */
  close(): void {
    this.#stop?.();
    this.#stop = undefined;
  }

  #link(timer: Timer, due: number): void {
    // Within a turn the wheel moves by itself: jumping ahead would put a timer into the slot that is being emptied.
    if (this.#linked++ === 0 && !this.#turning) this.#wake();
    const furthest = this.#tick + this.#slots.length - 1;
    const tick = Math.min(Math.max(due, this.#tick + 1), furthest);
    const head = this.#slots[tick % this.#slots.length]!;
    timer.slotTick = tick;
    timer.previous = head.previous;
    timer.next = head;
    head.previous!.next = timer;
    head.previous = timer;
  }

  #unlink(timer: Timer): void {
    timer.previous!.next = timer.next;
    timer.next!.previous = timer.previous;
    timer.previous = timer.next = undefined;
    timer.slotTick = -1;
    this.#linked--;
  }

  #wake(): void {
    // The wheel stood still while it was empty: catch up without visiting the slots in between.
    this.#tick = Math.floor((this.#clock() - this.#epoch) / this.#resolution);
    this.#stop ??= this.#ticker.start(this.#resolution, () => this.#turn());
  }

  #turn(): void {
    const now = this.#clock();
    const target = Math.floor((now - this.#epoch) / this.#resolution);
    // After a long stall every slot is visited once; that covers all timers.
    const from = Math.max(this.#tick + 1, target - this.#slots.length + 1);
    let whole = true;
    this.#turning = true;
    try {
      for (let tick = from; tick <= target && whole; tick++) {
        this.#tick = tick;
        whole = this.#empty(this.#slots[tick % this.#slots.length]!, now);
        if (!whole) this.#tick = tick - 1;
      }
    } finally {
      this.#turning = false;
    }
    if (!whole) return this.#ticker.soon?.(() => this.#stop !== undefined && this.#turn());
    this.#tick = Math.max(this.#tick, target);
    if (this.#linked === 0) this.close();
  }

  /** One owner's mistake is not to cost the others their time. */
  #expire(timer: Timer, now: number): void {
    try {
      timer.expired(now);
    } catch (error) {
      if (this.#onError === undefined) throw error;
      this.#onError(error);
    }
  }

  /** @returns false where it took too long, and some are left */
  #empty(head: SlotHead, now: number): boolean {
    // Timers linked from here on go to later slots: this ends.
    let timer = head.next!;
    for (let seen = 1; timer !== head; seen++) {
      this.#unlink(timer);
      if (timer.deadline <= now) {
        timer.deadline = Infinity;
        this.#armed--;
        this.#expire(timer, now);
      } else if (timer.deadline !== Infinity) {
        this.#link(timer, Math.ceil((timer.deadline - this.#epoch) / this.#resolution));
      }
      timer = head.next!;
      if (seen % LOOK === 0 && timer !== head && this.#clock() - now > BUDGET) return false;
    }
    return true;
  }
}
