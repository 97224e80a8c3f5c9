import { parseArgs } from 'node:util';
import { type PostsReport, sendPosts } from './posts/run.ts';

const USAGE = `usage: node dist/posts.js [--requests 10000] [--connections 64] [--workers 2] [--seed 1]
POSTs (and, for comparison, as many PUTs) through rp with every retry that it knows switched on, to three backends that
treat nine requests of eleven badly: resets before, within and after the head, half responses, stalls, 5xx, connections
closed as the next request goes out. Every request has an id; a POST that any two backends saw, or one saw twice, is a
failure (exit code 1).`;

function line(method: string, report: PostsReport): string {
  const { requests, seen, twice, answers, retries, replays } = report;
  const all = Object.entries(answers).map(([kind, count]) => `${kind}: ${count}`);
  return `${method}: ${requests} sent, ${seen} seen by a backend, ${twice} seen more than once; rp retried ${retries} and replayed ${replays}; ${all.join(', ')}`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      requests: { type: 'string', default: '10000' },
      connections: { type: 'string', default: '64' },
      workers: { type: 'string', default: '2' },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return console.log(USAGE);
  const settings = {
    requests: Number(values.requests),
    connections: Number(values.connections),
    workers: Number(values.workers),
    seed: Number(values.seed),
  };
  const posts = await sendPosts({ ...settings, method: 'POST' });
  console.log(line('POST', posts));
  console.log(line('PUT', await sendPosts({ ...settings, method: 'PUT' })));
  console.log(JSON.stringify(posts.treated));
  if (posts.twice > 0) process.exitCode = 1;
}

await main();
