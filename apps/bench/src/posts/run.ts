import { Load, type LoadReport } from '../load.ts';
import { ProcessGroup } from '../process.ts';
import { Random } from '../random.ts';
import { Subject } from '../subject.ts';
import { FaultyBackend } from './faulty-backend.ts';

/** Everything that makes rp send a request again, and nothing that keeps it from backends that fail. */
const OPTIONS = `    passiveHealth: { enabled: false }
    retry: { attempts: 3, statuses: [5xx], budget: 100%, burst: 100000, minimumPerSecond: 1000, backoff: 0s }
    pool: { backoff: 0s }
`;

export interface PostsOptions {
  readonly method: 'POST' | 'PUT';
  readonly requests: number;
  readonly connections: number;
  readonly workers: number;
  readonly seed: number;
}

export interface PostsReport {
  readonly requests: number;
  /** Requests that some backend saw the head of. */
  readonly seen: number;
  /** Of these, those that were seen more than once, by one backend or several. */
  readonly twice: number;
  /** What clients got: `200`, other statuses, and kinds of failure. */
  readonly answers: Readonly<Record<string, number>>;
  readonly retries: number;
  readonly replays: number;
  readonly treated: Readonly<Record<string, number>>;
}

/** Sends requests with bodies through rp to three faulty backends, and counts how often each was seen. */
export async function sendPosts(options: PostsOptions): Promise<PostsReport> {
  const group = new ProcessGroup();
  const random = new Random(options.seed);
  const backends = [1, 2, 3].map(() => new FaultyBackend(random));
  try {
    const ports = await Promise.all(backends.map((backend) => backend.listen()));
    const { workers } = options;
    const plan = { backends: ports, workers, options: OPTIONS, response: '200ms' };
    const subject = await Subject.start('rp', group, plan);
    const answers = await drive(subject.port, options);
    const stats = await subject.stats();
    return {
      ...counted(backends),
      requests: Object.values(answers).reduce((sum, count) => sum + count, 0),
      answers,
      retries: stats?.get('requests.retries') ?? Number.NaN,
      replays: stats?.get('requests.replays') ?? Number.NaN,
    };
  } finally {
    await group.close();
    await Promise.all(backends.map((backend) => backend.close()));
  }
}

async function drive(port: number, options: PostsOptions): Promise<Record<string, number>> {
  const { method, requests, connections } = options;
  const answers: Record<string, number> = {};
  const load = new Load({
    host: '127.0.0.1',
    port,
    connections,
    pacing: { kind: 'closed' },
    request: (n) => {
      const head = `${method} / HTTP/1.1\r\nHost: localhost\r\nX-Id: ${method}-${n}\r\nContent-Length: 20\r\n\r\n`;
      return { method, bytes: Buffer.from(`${head}${'u'.repeat(20)}`, 'latin1') };
    },
  });
  await load.start();
  /** @returns how many they were */
  const add = ({ ok, errors, badStatus, failures }: LoadReport): number => {
    for (const [kind, count] of Object.entries({ '200': ok, ...badStatus, ...failures }))
      answers[kind] = (answers[kind] ?? 0) + count;
    return ok + errors;
  };
  for (let done = 0; done < requests; done += add(load.take()))
    await new Promise((resolve) => setTimeout(resolve, 50));
  add(await load.stop(5_000));
  return answers;
}

function counted(backends: readonly FaultyBackend[]): Pick<PostsReport, 'seen' | 'twice' | 'treated'> {
  const times = new Map<string, number>();
  const treated: Record<string, number> = {};
  for (const backend of backends) {
    for (const [id, count] of backend.seen) times.set(id, (times.get(id) ?? 0) + count);
    for (const [way, count] of backend.treated) treated[way] = (treated[way] ?? 0) + count;
  }
  return { seen: times.size, twice: [...times.values()].filter((count) => count > 1).length, treated };
}
