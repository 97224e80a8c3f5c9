import { type HandshakeOptions, makeHandshakes } from './handshakes.ts';
import { HeldConnections } from './hold.ts';
import { Load, type Pacing, getRequest } from './load.ts';

/** What a client process is asked to do; sent as JSON in its only argument. */
export type ClientJob =
  | {
      readonly job: 'load';
      readonly port: number;
      readonly path: string;
      readonly connections: number;
      readonly pacing: Pacing;
      readonly warmupMs: number;
      readonly durationMs: number;
    }
  | {
      readonly job: 'hold';
      readonly port: number;
      readonly path: string;
      readonly connections: number;
      readonly localAddresses: readonly string[];
    }
  | ({ readonly job: 'handshakes' } & HandshakeOptions);

const say = (message: unknown): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};

/** Runs one job. `hold` says `{opened}`, waits for a line on stdin, asks on every connection again, says `{served}`. */
async function run(job: ClientJob): Promise<void> {
  if (job.job === 'handshakes') return say(await makeHandshakes(job));
  if (job.job === 'hold') return hold(job);
  const request = getRequest(job.path, 'localhost');
  const load = new Load({
    host: '127.0.0.1',
    port: job.port,
    connections: job.connections,
    pacing: job.pacing,
    request: () => request,
  });
  await load.start();
  await pause(job.warmupMs);
  load.take();
  await pause(job.durationMs);
  const report = load.take();
  await load.stop();
  say(report);
}

async function hold(job: Extract<ClientJob, { job: 'hold' }>): Promise<void> {
  const request = getRequest(job.path, 'localhost');
  const held = new HeldConnections({ host: '127.0.0.1', ...job, request });
  say({ opened: await held.open() });
  await new Promise((resolve) => process.stdin.once('data', resolve));
  say({ served: await held.askAgain() });
  held.close();
  process.stdin.destroy();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

await run(JSON.parse(process.argv[2] ?? '{}') as ClientJob);
