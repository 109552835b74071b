/** Whether a request may come now, in its era. */
import { checkModern } from '../wire/era.ts';
import type { Era } from '../wire/era.ts';
import { RPC } from '../wire/frame.ts';
import { protocolError, unknownMethod } from './request-target.ts';
import type { RequestFrame } from '../types.ts';

/** Methods that the modern era has no more. */
const LEGACY_ONLY = [
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
];

/** Checks one request of a session. @throws -32600, -32601, -32602, -32022 */
export function checkRequest(frame: RequestFrame, era: Era, isInitialized: boolean): void {
  const { method } = frame;
  if (era === 'modern') {
    checkModern(frame);
    if (LEGACY_ONLY.includes(method)) throw unknownMethod(method);
  } else if (!isInitialized && method !== 'initialize' && method !== 'ping') {
    // A client that probes for the modern era must learn that it may speak it.
    if (method === 'server/discover') checkModern(frame);
    throw protocolError(
      RPC.invalidRequest,
      'the session is not initialized: send initialize first',
    );
  }
}
