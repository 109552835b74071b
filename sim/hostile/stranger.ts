/** Somebody who has the address of a node and nothing else. */
import { createBareHost, systemClock } from '../../src/testing.ts';
import type { BareConnection, BareHost } from '../../src/testing.ts';

const DIAL_TIMEOUT_MS = 5000;
const CONNECTIONS_PER_KEY = 50;

/** Somebody without a ticket, who only connects. */
export interface Stranger {
  /** A new connection to the node, without a hello. */
  connect(address: string): Promise<BareConnection>;
  stop(): Promise<void>;
}

/** Makes one. Its key changes every so many connections, as a stranger's may. */
export async function createStranger(connectionsPerKey = CONNECTIONS_PER_KEY): Promise<Stranger> {
  let host: BareHost = await createBareHost({ clock: systemClock });
  let count = 0;
  return {
    async connect(address) {
      count += 1;
      if (count % connectionsPerKey === 0) {
        await host.stop();
        host = await createBareHost({ clock: systemClock });
      }
      return host.dial(address, { signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) });
    },
    stop: () => host.stop(),
  };
}
