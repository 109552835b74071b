/** An audit log that is switched off: nothing is recorded, and nothing waits. */
import { EventEmitter } from 'node:events';
import { StarlingError } from '../core/index.ts';
import type { Audit } from './types.ts';

/** Makes it. Whoever wants to look into it hears that it is off. */
export function createDisabledAudit(): Audit {
  const off = (): Promise<never> =>
    Promise.reject(
      new StarlingError('STARLING_USAGE', 'this node keeps no audit log', {
        hint: 'set audit.enabled to true in its configuration',
      }),
    );
  return {
    isOn: false,
    events: new EventEmitter(),
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    healthy: () => true,
    append: () => Promise.resolve(0),
    note: () => undefined,
    flush: () => Promise.resolve(),
    query: off,
    tail: off,
    checkpoint: () => undefined,
    verify: off,
    compareWith: off,
  };
}
