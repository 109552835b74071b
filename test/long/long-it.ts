/** Tests of the long form alone: what other tests hold piece by piece, by real processes from end to end. */
import { it } from 'vitest';
import { isLong } from './extent.ts';

/** `it` in `npm run long`; `npm test` does not list such a test. */
export const longIt = (isLong ? it : () => undefined) as typeof it;
