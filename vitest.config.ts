import { defineConfig } from 'vitest/config';
import { fileURLToPath } from 'node:url';

const packages = ['parser', 'pool', 'balancer', 'cache', 'tls', 'core'];
const source = (name: string): string =>
  fileURLToPath(new URL(`packages/${name}/src/index.ts`, import.meta.url));

const seeded = fileURLToPath(new URL('.ci/vitest-setup.ts', import.meta.url));

// Tests import the sources of every package, so that a stale build cannot hide a mistake; the end-to-end
// tests of apps/proxy start the built `rp` like a user does.
const alias = Object.fromEntries(packages.map((name) => [`@rp/${name}`, source(name)]));

const project = (name: string, root: string) => ({
  resolve: { alias },
  test: {
    name,
    root,
    setupFiles: [seeded],
    include: ['test/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});

export default defineConfig({
  test: {
    projects: [
      ...packages.map((name) => project(name, `packages/${name}`)),
      project('proxy', 'apps/proxy'),
      project('bench', 'apps/bench'),
    ],
  },
});
