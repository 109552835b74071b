/** Three machines and one policy file, as `examples/team-policy` tells it. */
import { describe, it } from 'vitest';
import { namespacesMissing } from '../namespaces.ts';
import { WALK_MS, walk } from './walk.ts';

const missing = await namespacesMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

describe.skipIf(missing !== undefined)('examples/team-policy', () => {
  it(
    'is followed line by line',
    () => walk('team-policy', { machines: ['office', 'anna', 'tom'] }),
    WALK_MS,
  );
});
