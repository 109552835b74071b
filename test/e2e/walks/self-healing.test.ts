/** A server that is killed and restarted after a yes, as `examples/self-healing` tells it. */
import { describe, it } from 'vitest';
import { namespacesMissing } from '../namespaces.ts';
import { sandboxMissing } from '../sandbox-missing.ts';
import { WALK_MS, walk } from './walk.ts';

const missing = (await sandboxMissing()) ?? (await namespacesMissing());
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

describe.skipIf(missing !== undefined)('examples/self-healing', () => {
  it(
    'is followed line by line',
    () => walk('self-healing', { machines: ['nas', 'laptop'] }),
    WALK_MS,
  );
});
