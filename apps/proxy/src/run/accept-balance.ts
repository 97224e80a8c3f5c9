import type { AcceptTurns } from '@rp/core';

/*
 * Whose turn it is to accept. All workers listen on copies of one socket, so whoever is awake first gets a new
 * connection; a worker that has clearly more than the least loaded one leaves them to that one. (With a socket for
 * each worker, the kernel deals connections out by a hash: of 256, one of two workers gets 110 to 146.)
 *
 *   per worker, four words:
 *   0 LOAD     its connections, on their way included
 *   1 BUSY     thousandths of its time that its event loop worked, of late
 *   2 SEEN     milliseconds, modulo 2^31, of its last sign of life; 0: it does not accept
 *   3 WAITING  1 while it leaves connections to others; they wake it up (`Atomics.notify`)
 *
 * Nobody waits for ever: the least loaded worker never waits, whoever catches up with one that waits wakes it, and
 * every 50 ms each looks again by itself, passing over those that gave no sign of life. Each word has one writer,
 * WAITING excepted, and what is read may be old by the time it is used: then the balance is a little off.
 */

const WORDS = 4;
const LOAD = 0;
const BUSY = 1;
const SEEN = 2;
const WAITING = 3;

/** Connections that a worker may have more than another: so many, and one in 32 of its own. */
const SLACK = 2;
/** Thousandths by which the least loaded worker may be busier: if it works harder all the same, it needs no more. */
const BUSIER = 150;
/** Milliseconds without a sign of life after which a worker is not waited for. */
const SILENT = 400;
/** Weight of the last 50 ms in that: it is half a second that counts, not a moment. */
const NEWEST = 0.1;
/**
 * Connections live shortly when in 50 ms as many as a sixteenth of them end, and as many begin; a few that look whether
 * somebody is there say nothing. Then each has the same share sooner than it could
 * be given it, and stepping aside would be a system call for every few of them.
 */
const SHORT_LIVED = 16;
const FEW = 4;

/** Bytes of the shared memory for so many workers. */
export function balanceByteLength(workers: number): number {
  return workers * WORDS * 4;
}

/** One worker's part. */
export class AcceptBalance implements AcceptTurns {
  readonly #cells: Int32Array<SharedArrayBuffer>;
  readonly #own: number;
  readonly #wake: () => void;
  #load = 0;
  #opened = 0;
  #closed = 0;
  #shortLived = false;
  #armed = false;
  #now = 1;

  /** @param wake called when another worker has caught up with this one */
  constructor(memory: SharedArrayBuffer, worker: number, wake: () => void) {
    this.#cells = new Int32Array(memory);
    this.#own = worker * WORDS;
    this.#wake = wake;
  }

  /**
   * A sign of life, every 50 ms.
   * @param now milliseconds of a clock that all workers share
   * @param busy share of the time since the last one that the event loop worked, 0 to 1
   */
  tick(now: number, busy: number): void {
    this.#now = Math.floor(now) & 0x7fffffff || 1;
    this.#shortLived = Math.min(this.#opened, this.#closed) > FEW + this.#load / SHORT_LIVED;
    this.#opened = this.#closed = 0;
    const before = this.#cells[this.#own + BUSY]!;
    this.#cells[this.#own + BUSY] = Math.round(before + (busy * 1000 - before) * NEWEST);
    this.#cells[this.#own + SEEN] = this.#now;
  }

  /** It accepts no more: nobody is to wait for it. */
  leave(): void {
    AcceptBalance.reclaim(this.#cells.buffer, this.#own / WORDS);
  }

  mayAccept(load: number): boolean {
    const more = load - this.#load;
    if (more > 0) this.#opened += more;
    else this.#closed -= more;
    this.#load = load;
    this.#cells[this.#own + LOAD] = load;
    if (more > 0) this.#wakeOthers(load);
    const fair = this.#isFair(load);
    Atomics.store(this.#cells, this.#own + WAITING, fair ? 0 : 1);
    if (!fair) this.#listen();
    return fair;
  }

  /** Forgets a worker that is no more. */
  static reclaim(memory: SharedArrayBuffer, worker: number): void {
    new Int32Array(memory, worker * WORDS * 4, WORDS).fill(0);
  }

  #isFair(load: number): boolean {
    if (this.#shortLived) return true;
    const cells = this.#cells;
    let least = -1;
    for (let other = 0; other < cells.length; other += WORDS) {
      const seen = cells[other + SEEN]!;
      if (other === this.#own || seen === 0 || this.#now - seen > SILENT) continue;
      if (least === -1 || cells[other + LOAD]! < cells[least + LOAD]!) least = other;
    }
    if (least === -1 || load - cells[least + LOAD]! <= SLACK + (load >> 5)) return true;
    return cells[least + BUSY]! > cells[this.#own + BUSY]! + BUSIER;
  }

  #wakeOthers(load: number): void {
    const cells = this.#cells;
    for (let other = 0; other < cells.length; other += WORDS) {
      if (cells[other + WAITING] !== 1 || other === this.#own || cells[other + LOAD]! > load + SLACK)
        continue;
      if (Atomics.exchange(cells, other + WAITING, 0) === 1) Atomics.notify(cells, other + WAITING);
    }
  }

  /** Once is enough: it stays in force while this worker goes on by itself and stops again. */
  #listen(): void {
    if (this.#armed) return;
    this.#armed = true;
    const result = Atomics.waitAsync(this.#cells, this.#own + WAITING, 1);
    if (result.async) void result.value.then(() => this.#woken());
    else queueMicrotask(() => this.#woken());
  }

  #woken(): void {
    this.#armed = false;
    this.#wake();
  }
}
