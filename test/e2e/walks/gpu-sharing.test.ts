/** One machine's models at another, as `examples/gpu-sharing` tells it; in the place of Ollama stands a vendor at the wire. */
import { resolve } from 'node:path';
import { describe, it } from 'vitest';
import { namespacesMissing } from '../namespaces.ts';
import { WALK_MS, walk } from './walk.ts';

const missing = await namespacesMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

const OLLAMA = resolve(import.meta.dirname, '../../fixtures/models/ollama.mjs');

describe.skipIf(missing !== undefined)('examples/gpu-sharing', () => {
  it(
    'is followed line by line',
    () =>
      walk('gpu-sharing', {
        machines: ['gpu-box', 'laptop'],
        before: [{ at: 'gpu-box', line: `node ${OLLAMA}`, says: /listens/ }],
      }),
    WALK_MS,
  );
});
