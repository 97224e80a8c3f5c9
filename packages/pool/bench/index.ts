import {
  ConnectionPool,
  SharedPermits,
  type ConnectAttempt,
  type Permits,
  type PoolSlot,
  type PoolWaiter,
  type PoolableConnection,
  type WaiterNode,
} from '../src/index.ts';

class Connection implements PoolableConnection {
  slot: PoolSlot | undefined = undefined;
  isReusable(): boolean {
    return true;
  }
  destroy(): void {}
}

class Waiter implements PoolWaiter<Connection> {
  poolNode: WaiterNode<Connection> | undefined = undefined;
  connection: Connection | undefined = undefined;
  connectionReady(connection: Connection): void {
    this.connection = connection;
  }
  connectionFailed(): void {
    this.connection = undefined;
  }
}

let now = 0;

function poolOf(size: number, permits?: Permits): { pool: ConnectionPool<Connection>; all: Connection[] } {
  const attempts: ConnectAttempt<Connection>[] = [];
  const pool = new ConnectionPool<Connection>({
    connector: { connect: (attempt) => void attempts.push(attempt) },
    clock: () => now,
    maxConnections: size,
    maxIdle: size,
    minIdle: 0,
    idleTimeout: Infinity,
    queueTimeout: Infinity,
    ...(permits === undefined ? {} : { permits }),
  });
  const all: Connection[] = [];
  for (let i = 0; i < size; i++) pool.acquire(new Waiter());
  for (const attempt of attempts) {
    const connection = new Connection();
    all.push(connection);
    attempt.succeeded(connection);
  }
  return { pool, all };
}

/** Nanoseconds per call: the median of five rounds, after one to warm up. */
function measure(name: string, count: number, run: (count: number) => void): void {
  run(count);
  const rounds: number[] = [];
  for (let round = 0; round < 5; round++) {
    const start = process.hrtime.bigint();
    run(count);
    rounds.push(Number(process.hrtime.bigint() - start) / count);
  }
  rounds.sort((a, b) => a - b);
  process.stdout.write(`${name.padEnd(58)} ${(rounds[2] ?? 0).toFixed(1).padStart(9)} ns/op\n`);
}

function shared(max: number): SharedPermits {
  const buffer = new SharedArrayBuffer(SharedPermits.byteLength(8));
  return new SharedPermits({ buffer, threads: 8, thread: 0, max });
}

function acquireRelease(name: string, permits?: Permits): void {
  const { pool, all } = poolOf(64, permits);
  for (const connection of all) pool.release(connection);
  const waiter = new Waiter();
  measure(name, 1_000_000, (count) => {
    for (let i = 0; i < count; i++) {
      const connection = pool.acquire(waiter);
      if (connection === undefined) throw new Error('nothing idle');
      pool.release(connection);
    }
  });
}

acquireRelease('acquire + release, idle');
acquireRelease('acquire + release, idle, shared permits', shared(64));

{
  const { pool, all } = poolOf(1);
  const [connection] = all;
  const [a, b] = [new Waiter(), new Waiter()];
  pool.acquire(a);
  measure('acquire, queue, release to the waiter', 500_000, (count) => {
    for (let i = 0; i < count; i++) {
      pool.acquire(i % 2 === 0 ? b : a);
      if (connection !== undefined) pool.release(connection);
    }
  });
}

{
  const { pool } = poolOf(1);
  for (let i = 0; i < 1_000; i++) pool.acquire(new Waiter());
  const waiter = new Waiter();
  measure('acquire + cancel behind 1,000 waiters', 500_000, (count) => {
    for (let i = 0; i < count; i++) {
      pool.acquire(waiter);
      pool.cancel(waiter);
    }
  });
}

{
  const { pool } = poolOf(1);
  pool.update({ onExhausted: 'fail' });
  const waiter = new Waiter();
  measure('acquire refused (PoolError with its stack)', 50_000, (count) => {
    for (let i = 0; i < count; i++) {
      pool.acquire(waiter);
      pool.cancel(waiter);
    }
  });
}

{
  const { pool, all } = poolOf(256);
  for (const connection of all) pool.release(connection);
  measure('upkeep of 256 idle connections', 10_000, (count) => {
    for (let i = 0; i < count; i++) {
      now += 1_000;
      pool.upkeep(now);
    }
  });
}

for (const max of [32, 256]) {
  const permits = shared(max);
  for (let i = 0; i < max - 1; i++) permits.tryTake();
  measure(`SharedPermits: take + give the last of ${max}`, 200_000, (count) => {
    for (let i = 0; i < count; i++) {
      permits.tryTake();
      permits.give();
    }
  });
}
