/** Jobs that a build machine takes, as `examples/ci-agents` tells it. */
import { describe, it } from 'vitest';
import { namespacesMissing } from '../namespaces.ts';
import { sandboxMissing } from '../sandbox-missing.ts';
import { WALK_MS, walk } from './walk.ts';

const missing = (await sandboxMissing()) ?? (await namespacesMissing());
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

describe.skipIf(missing !== undefined)('examples/ci-agents', () => {
  it(
    'is followed line by line',
    () => walk('ci-agents', { machines: ['builder', 'laptop'] }),
    WALK_MS,
  );
});
