/** Two machines of one network, as `examples/lan-of-two` tells it. */
import { describe, it } from 'vitest';
import { namespacesMissing } from '../namespaces.ts';
import { WALK_MS, walk } from './walk.ts';

const missing = await namespacesMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

describe.skipIf(missing !== undefined)('examples/lan-of-two', () => {
  it(
    'is followed line by line',
    () => walk('lan-of-two', { machines: ['workstation', 'laptop'] }),
    WALK_MS,
  );
});
