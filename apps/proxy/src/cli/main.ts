import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { rootOption, toJsonSchema } from '../config/index.ts';
import { check } from './check.ts';
import { processIo, type Io, type RunProxy } from './io.ts';
import { run, type RunFlags } from './run.ts';

/** Exit codes of `rp`. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

const version = (): string => {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const manifest = JSON.parse(text) as { readonly version: string };
  return manifest.version;
};

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

const examples = `
Examples:
  rp run -c proxy.yaml
  rp run --listen 8080 --backend http://127.0.0.1:3000 --backend http://127.0.0.1:3001
  rp check -c proxy.yaml --print
  rp demo

Exit codes: 0 ok, 1 failure at run time, 2 usage or configuration.`;

/** The commands; each sets `exit.code`, since commander itself knows only "worked" and "usage". */
const program = (io: Io, runner: RunProxy, exit: { code: number }): Command => {
  const rp = new Command('rp');
  rp.description('A fast, correct HTTP reverse proxy with a cache.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .showHelpAfterError('Try "rp --help".')
    .addHelpText('after', examples)
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: (text) => io.stderr.write(text) })
    .exitOverride();

  rp.command('run')
    .description('run the proxy')
    .option('-c, --config <file>', 'configuration file (YAML or JSON)')
    .option('-l, --listen <[address:]port>', 'without a file: where to listen (default 8080)')
    .option('-b, --backend <url>', 'without a file: a backend; may be given several times', collect, [])
    .action(async (flags: RunFlags) => {
      exit.code = await run(flags, io, runner);
    });

  rp.command('check')
    .description('check a configuration file and say what it would run')
    .requiredOption('-c, --config <file>', 'configuration file (YAML or JSON)')
    .option('-p, --print', 'print the effective configuration with every default; secrets are masked')
    .action((flags: { readonly config: string; readonly print?: boolean }) => {
      exit.code = check(flags.config, flags.print ?? false, io);
    });

  rp.command('schema')
    .description('print the JSON Schema of the configuration file, for editors')
    .action(() => {
      io.stdout.write(`${JSON.stringify(toJsonSchema(rootOption, true), null, 2)}\n`);
    });

  rp.command('demo')
    .description('run the proxy in front of small built-in backends')
    .option('-l, --listen <[address:]port>', 'where to listen (default: 8080, or the next free port)')
    .action(async (flags: { readonly listen?: string }) => {
      // Its backends are servers of Node's own, which take 10 MiB of memory: not for the others.
      const { demo } = await import('./demo.ts');
      exit.code = await demo(flags.listen ?? null, io, runner);
    });
  return rp;
};

/** Loaded when it is needed: checking a file must not wait for the engine. */
const engine: RunProxy = async (source, io) => (await import('../run/index.ts')).runProxy(source, io);

/**
 * Runs one command of `rp` and resolves to the exit code of the process: 0 ok, 1 failure at run time, 2 usage or
 * configuration. It rejects only where the program itself is wrong.
 */
export async function main(
  args: readonly string[],
  io: Io = processIo(),
  runner: RunProxy = engine,
): Promise<number> {
  const exit: { code: number } = { code: EXIT.ok };
  try {
    await program(io, runner, exit).parseAsync(args, { from: 'user' });
    return exit.code;
  } catch (error) {
    // Commander throws to leave: help and version ask for 0, everything else is a mistake in the arguments.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    throw error;
  }
}
