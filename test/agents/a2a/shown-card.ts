/** The card of an A2A agent on this machine, for tests of those who look at it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Shows a card that nobody has signed; gives where that is, and what ends it. */
export async function showCard(): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((_, response) => {
    const at = [{ url: `${origin()}/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }];
    const skills = [{ id: 'plan', name: 'Plan', description: 'Plans a trip' }];
    response.end(JSON.stringify({ name: 'planner', supportedInterfaces: at, skills }));
  });
  const origin = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: origin(), close: () => void server.close() };
}
