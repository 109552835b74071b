/** Checks the multiaddrs of a configuration: that they parse, and that Starling can use them. */
import type { Problem } from './problems.ts';
import { misfit } from './problems.ts';
import type { FileConfig } from './schema/schema.ts';
import { LISTEN_DEFAULT } from './schema/schema.ts';

type Key = 'listen' | 'announce' | 'bootstrap';

const FORMS: Readonly<Record<Key, string>> = {
  listen: 'an address like /ip4/0.0.0.0/tcp/4040 or /ip4/0.0.0.0/tcp/4041/ws',
  announce: 'an address like /ip4/192.0.2.7/tcp/4040 or /dns4/node.example/tcp/4040',
  bootstrap: 'an address like /ip4/192.0.2.7/tcp/4040/p2p/12D3Koo…',
};
const LISTEN_PARTS: readonly string[] = ['ip4', 'ip6', 'tcp', 'ws'];
const OTHER_PARTS = 'dns dns4 dns6 dnsaddr ip6zone tls sni wss p2p p2p-circuit'.split(' ');
/** PeerId of an Ed25519 key in base58btc; no node has another. */
const PEER_ID = /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/;

/** What is wrong with the addresses of `config`. The parser is loaded only when there are any. */
export async function checkAddresses(
  config: Readonly<Record<Key, FileConfig[Key]>>,
): Promise<readonly Problem[]> {
  const keys: readonly Key[] = ['listen', 'announce', 'bootstrap'];
  const given = keys.flatMap((key) =>
    config[key]
      .map((text, index) => ({ key, name: `${key}.${index}`, text }))
      .filter(({ text }) => key !== 'listen' || !LISTEN_DEFAULT.includes(text)),
  );
  if (given.length === 0) return [];
  const { multiaddr } = await import('@multiformats/multiaddr');
  return given.flatMap(({ key, name, text }) => {
    const parts = (): readonly { name: string; value?: string }[] => {
      try {
        return multiaddr(text).getComponents();
      } catch (error) {
        // The parser says what it dislikes in words about itself; the allowed form says more.
        if (error instanceof Error) return [];
        throw error;
      }
    };
    return isUsable(key, parts()) ? [] : [misfit(name, text, FORMS[key])];
  });
}

function isUsable(key: Key, parts: readonly { name: string; value?: string }[]): boolean {
  const allowed = key === 'listen' ? LISTEN_PARTS : [...LISTEN_PARTS, ...OTHER_PARTS];
  return (
    parts.some(({ name }) => name === 'tcp' || name === 'dnsaddr') &&
    parts.every(({ name }) => allowed.includes(name)) &&
    parts.every(({ name, value = '' }) => name !== 'p2p' || PEER_ID.test(value))
  );
}
