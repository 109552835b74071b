import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';

/** Tests of what keys sign: they sign with tweetnacl, as the built program does. */
const KEYS = ['did', 'jws', 'quick-nacl', 'sign', 'sign-classes'].map(
  (name) => `test/identity/${name}.test.ts`,
);

/** Tests that put a double in the place of a module: they share no modules with other files. */
const DOUBLES = ['test/cli/connect.test.ts', 'test/cli/mcp-import.test.ts'];

/** Tests that start processes: they wait more than they compute. */
const PROCESSES = /\/test\/(?:cli|conformance|e2e|sim)\//;

/**
 * What takes longest, the longest first: begun last, one of them would run alone while the other workers have nothing
 * left. Vitest knows this by itself only from its second run on; in a fresh clone it begins with the largest files.
 */
const LONGEST = [
  'e2e/namespaces',
  'e2e/examples',
  'e2e/belonging',
  'cli/said',
  'sim/bench/quick',
  'e2e/partition',
  'e2e/dashboard',
  'e2e/first-mesh',
  'e2e/resilience',
  'sim/soak',
  'e2e/demos',
  'e2e/crossing',
  'e2e/attached-clients',
  'compliance/transports',
  'e2e/newcomer',
  'sim/scenario/netns',
  'e2e/clock',
  'e2e/rotation',
  'build/package',
  'e2e/interop',
  'e2e/model-attacks',
  'e2e/self-healing',
  'e2e/walks/team-policy',
  'e2e/walks/home-lab-relay',
  'e2e/walks/lan-of-two',
  'e2e/walks/self-healing',
  'e2e/walks/gpu-sharing',
  'e2e/walks/ci-agents',
  'e2e/policy',
  'e2e/swarms',
  'gateway/upstreams/managed-upstream',
  'e2e/crash',
  'e2e/strong',
  'e2e/memory-nodes',
  'gateway/upstreams/odd-lists',
  'e2e/metrics',
  'e2e/bad-input',
  'e2e/sandbox',
  'build/first-output',
  'e2e/rejoin',
  'network/gossip',
  'e2e/agent-attacks',
  'e2e/run-agents',
  'cli/secrets',
  'gateway/upstreams/peer',
  'e2e/durable-tasks',
  'mutation/mutants',
  'compliance/upstreams',
  'e2e/tasks',
  'gateway/upstreams/era-bridge',
  'audit/log',
  'network/parting',
  'e2e/revocation',
  'gateway/upstreams/sandbox/sandbox',
  'sim/scenario/inproc',
  'cli/json-shapes',
  'rotation/rotation',
  'identity/encrypted-key',
  'e2e/full-disk',
  'gateway/transports/http-eras',
  'gateway/clearance/under-way',
  'network/lifecycle',
  'e2e/unknown-programs',
  'e2e/budgets',
  'gateway/upstreams/peer-servers',
  'e2e/sim',
  'e2e/bad-servers',
  'sim/memory-transport',
  'cli/node/config-reload',
  'cli/up',
  'sim/bench/board-runs',
  'gateway/upstreams/upstreams',
  'gateway/hostile',
].map((name) => `/test/${name}.test.ts`);

/** Where a file stands in {@link LONGEST}; behind all of them when it is not there. */
function rankOf({ moduleId }: TestSpecification): number {
  const rank = LONGEST.findIndex((name) => moduleId.endsWith(name));
  return rank === -1 ? LONGEST.length : rank;
}

/**
 * Spreads the tests that wait evenly among those that compute, the longest first. A worker ends when the next file is of
 * another project, with all modules that it has loaded; so the small projects come before all others.
 */
class Mixed extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const bySize = await super.sort(files);
    const sorted = bySize.toSorted((a, b) => rankOf(a) - rankOf(b));
    const apart = ['doubles', 'keys'].flatMap((name) =>
      sorted.filter(({ project }) => project.name === name),
    );
    const others = sorted.filter((file) => !apart.includes(file));
    const kinds = [
      others.filter(({ moduleId }) => PROCESSES.test(moduleId)),
      others.filter(({ moduleId }) => !PROCESSES.test(moduleId)),
    ];
    const placed = kinds.flatMap((kind) =>
      kind.map((file, index) => ({ file, place: index / kind.length })),
    );
    const mixed = placed.toSorted((a, b) => a.place - b.place).map(({ file }) => file);
    return [...apart, ...mixed];
  }
}

/**
 * One group, so that one test computes while another waits for a process or a peer. The modules of a
 * room are loaded once for all files of a worker, which was half of their time.
 */
const shared = {
  setupFiles: ['src/core/system/node20.ts', 'test/seeded.ts'],
  // Twice the cores of a small machine: while one test waits for a peer, another has the processor.
  maxWorkers: Math.max(4, availableParallelism()),
  isolate: false,
};

export default defineConfig({
  test: {
    pool: 'forks',
    sequence: { sequencer: Mixed },
    testTimeout: 240_000,
    // What is polled comes within moments; only a fault takes a minute, also on a busy machine.
    expect: { poll: { timeout: 60_000 } },
    // Goldens hold times as a terminal shows them.
    env: { TZ: 'UTC' },
    hookTimeout: 240_000,
    globalSetup: 'test/run-folder.ts',
    projects: [
      {
        extends: true,
        resolve: {
          alias: { tweetnacl: resolve(import.meta.dirname, 'test/fixtures/quick-nacl.ts') },
        },
        test: {
          name: 'rooms',
          include: ['test/**/*.test.ts'],
          exclude: [...KEYS, ...DOUBLES],
          ...shared,
        },
      },
      { extends: true, test: { name: 'keys', include: KEYS, ...shared } },
      { extends: true, test: { name: 'doubles', include: DOUBLES, ...shared, isolate: true } },
    ],
  },
});
