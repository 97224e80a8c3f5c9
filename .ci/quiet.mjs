// Runs a command and shows what it printed only if it failed: node .ci/quiet.mjs turbo run build
import { spawn } from 'node:child_process';

const [command, ...args] = process.argv.slice(2);
const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1', TURBO_NO_UPDATE_NOTIFIER: '1' };
const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
const output = [];
child.stdout.on('data', (chunk) => output.push(chunk));
child.stderr.on('data', (chunk) => output.push(chunk));

// Nothing for a second is quick; longer silence makes people reach for Ctrl-C.
const notice = setTimeout(() => console.log(`Running ${[command, ...args].join(' ')} …`), 1000);

child.once('error', (error) => {
  clearTimeout(notice);
  console.error(`cannot run ${command} (${error.code}); did "npm run setup" work?`);
  process.exitCode = 1;
});
child.once('close', (code) => {
  clearTimeout(notice);
  if (code === 0) return;
  process.stderr.write(Buffer.concat(output));
  process.exitCode = 1;
});
