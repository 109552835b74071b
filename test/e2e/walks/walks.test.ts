/**
 * Every page of `examples/` that is followed line by line, between hosts of their own. What the pages show has tests of
 * its own; one is followed in `npm test`, and all in `npm run long`.
 */
import { resolve } from 'node:path';
import { describe, it } from 'vitest';
import { someOf } from '../../long/extent.ts';
import { createNatNetwork, namespacesMissing } from '../mesh/namespaces.ts';
import { sandboxMissing } from '../sandbox-missing.ts';
import { WALK_MS, walk } from './walk.ts';
import type { WalkInit } from './walk.ts';

const OLLAMA = resolve(import.meta.dirname, '../../fixtures/models/ollama.mjs');

/** A page, and what the machine must have for it besides network namespaces. */
interface Walked extends WalkInit {
  readonly needsSandbox?: boolean;
}

const WALKS: Readonly<Record<string, Walked>> = {
  'ci-agents': { machines: ['builder', 'laptop'], needsSandbox: true },
  // In the place of Ollama stands a vendor at the wire.
  'gpu-sharing': {
    machines: ['gpu-box', 'laptop'],
    before: [{ at: 'gpu-box', line: `node ${OLLAMA}`, says: /listens/ }],
  },
  // Routers that let nothing in, and through which no hole can be made.
  'home-lab-relay': {
    machines: ['vps', 'lab', 'laptop'],
    network: (hosts) => createNatNetwork(hosts, 'others'),
  },
  'lan-of-two': { machines: ['workstation', 'laptop'] },
  'self-healing': { machines: ['nas', 'laptop'], needsSandbox: true },
  'team-policy': { machines: ['office', 'anna', 'tom'] },
};

/** A page with a program that runs before. */
const SHORT: readonly string[] = ['gpu-sharing'];

const missing = {
  namespaces: await namespacesMissing(),
  sandbox: await sandboxMissing(),
};
const lacks = ({ needsSandbox = false }: Walked): string | undefined =>
  missing.namespaces ?? (needsSandbox ? missing.sandbox : undefined);

describe.each(someOf(Object.entries(WALKS), ([name]) => SHORT.includes(name)))(
  'examples/%s',
  (name, init) => {
    const lacking = lacks(init);
    if (lacking !== undefined) process.stderr.write(`skipped: ${lacking}\n`);

    it.skipIf(lacking !== undefined)('is followed line by line', () => walk(name, init), WALK_MS);
  },
);
