#!/usr/bin/env node
// Only syntax that old versions of Node.js read may stand here: the point is to tell them what is needed.
const [major, minor] = process.versions.node.split('.').map(Number);

// What a proxy allocates dies within a request: a small young generation is enough, and takes about 15 MiB less memory.
// Speed was the same within the noise of the measurements. V8 takes the size only when it starts, so the process starts anew with it, under the
// same id. `NODE_OPTIONS=--max-semi-space-size=…` has the last word. Not with sockets that were handed over
// (LISTEN_FDS): Node marks what it inherits to be closed by that; there the worker threads alone get the limit.
const youngGeneration = '--max-semi-space-size';
const [, script, command] = process.argv;
const isServer = command === 'run' || command === 'demo';
const hasSockets = Number(process.env.LISTEN_PID) === process.pid;
const isSet = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((option) =>
  option.includes(youngGeneration),
);

if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(
    `rp needs Node.js 22.19 or newer; this is ${process.versions.node} (${process.execPath}).\n`,
  );
  process.exitCode = 1;
} else if (
  isServer &&
  !isSet &&
  !hasSockets &&
  process.platform === 'linux' &&
  typeof process.execve === 'function'
) {
  const options = [...process.execArgv, `${youngGeneration}=1`, '--disable-warning=ExperimentalWarning'];
  process.removeAllListeners('warning');
  process.execve(process.execPath, [process.execPath, ...options, script, ...process.argv.slice(2)]);
} else {
  const { main } = await import('../dist/cli/main.js');
  process.exitCode = await main(process.argv.slice(2));
}
