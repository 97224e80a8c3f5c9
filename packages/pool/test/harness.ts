import {
  ConnectionPool,
  type ConnectAttempt,
  type Connector,
  type PoolError,
  type PoolOptions,
  type PoolSlot,
  type PoolWaiter,
  type PoolableConnection,
  type WaiterNode,
} from '@rp/pool';

/** A connection whose every event is made by the test. */
export class FakeConnection implements PoolableConnection {
  slot: PoolSlot | undefined = undefined;
  /** Unread bytes, or closed without the pool having heard. */
  stale = false;
  destroyed = 0;
  gone = false;
  readonly id: number;
  readonly #world: World;

  constructor(world: World, id: number) {
    this.#world = world;
    this.id = id;
  }

  isReusable(): boolean {
    return !this.stale && this.destroyed === 0 && !this.gone;
  }

  destroy(): void {
    this.destroyed++;
    if (this.#world.closesAtOnce) this.end();
  }

  /** The close event. */
  end(): void {
    if (this.gone) return;
    this.gone = true;
    this.#world.pool.closed(this);
  }
}

/** Notes what it is told. */
export class FakeWaiter implements PoolWaiter<FakeConnection> {
  poolNode: WaiterNode<FakeConnection> | undefined = undefined;
  connection: FakeConnection | undefined = undefined;
  reused: boolean | undefined = undefined;
  error: PoolError | undefined = undefined;
  told = 0;
  onReady: ((connection: FakeConnection) => void) | undefined = undefined;
  onFailed: ((error: PoolError) => void) | undefined = undefined;

  connectionReady(connection: FakeConnection, reused: boolean): void {
    this.told++;
    this.connection = connection;
    this.reused = reused;
    this.onReady?.(connection);
  }

  connectionFailed(error: PoolError): void {
    this.told++;
    this.error = error;
    this.onFailed?.(error);
  }
}

/** A pool on a fake clock, with a connector that waits for the test to decide. */
export class World implements Connector<FakeConnection> {
  now = 0;
  closesAtOnce = true;
  readonly pool: ConnectionPool<FakeConnection>;
  readonly attempts: ConnectAttempt<FakeConnection>[] = [];
  readonly connections: FakeConnection[] = [];
  readonly #deferred: (() => void)[] = [];

  constructor(options: Partial<PoolOptions<FakeConnection>> = {}) {
    this.pool = new ConnectionPool<FakeConnection>({
      connector: this,
      clock: () => this.now,
      random: () => 0,
      defer: (callback) => this.#deferred.push(callback),
      minIdle: 0,
      ...options,
    });
  }

  connect(attempt: ConnectAttempt<FakeConnection>): void {
    this.attempts.push(attempt);
  }

  /** Ends the oldest connect well. */
  succeed(): FakeConnection {
    const connection = new FakeConnection(this, this.connections.length);
    this.connections.push(connection);
    this.attempts.shift()?.succeeded(connection);
    return connection;
  }

  /** Ends all connects under way well. */
  succeedAll(): void {
    while (this.attempts.length > 0) this.succeed();
  }

  /** Ends the oldest connect badly. */
  fail(error: unknown = new Error('ECONNREFUSED')): void {
    this.attempts.shift()?.failed(error);
    this.settle();
  }

  /** Runs what was put off until after the present call. */
  settle(): void {
    for (let next = this.#deferred.shift(); next !== undefined; next = this.#deferred.shift()) next();
  }

  /** Time passes, with upkeep every 100 ms. */
  pass(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.now = Math.min(end, this.now + 100);
      this.pool.upkeep(this.now);
      this.settle();
    }
  }

  /** A waiter in the queue. */
  wait(): FakeWaiter {
    const waiter = new FakeWaiter();
    const connection = this.pool.acquire(waiter);
    if (connection !== undefined) throw new Error('there was an idle connection');
    return waiter;
  }

  /** A connection, idle or new. */
  get(): FakeConnection {
    const waiter = new FakeWaiter();
    const idle = this.pool.acquire(waiter);
    if (idle !== undefined) return idle;
    this.succeedAll();
    this.settle();
    if (waiter.connection === undefined) throw new Error('no connection');
    return waiter.connection;
  }

  /** Several at once. */
  getMany(count: number): FakeConnection[] {
    return Array.from({ length: count }, () => this.get());
  }
}
