/**
 * The least that a mesh of so many hosts costs in one process: bare libp2p with the modules that a node has (yamux,
 * gossipsub, the DHT), over the same memory, which vouches for who is where, so that nothing is encrypted, with as many links, and nothing of Starling. Each newcomer tells all others
 * by gossip that it is there, once, and has a list of all from whom it dials first: signed texts of the length of a
 * heartbeat, each checked once by each. Nobody is admitted, named, watched or remembered.
 */
// What libp2p needs and Node 20 lacks comes with the product.
import '../../../src/index.ts';
import { gossipsub } from '@chainsafe/libp2p-gossipsub';
import type { GossipSub } from '@chainsafe/libp2p-gossipsub';
import { generateKeyPair, publicKeyFromRaw } from '@libp2p/crypto/keys';
import { serviceCapabilities } from '@libp2p/interface';
import type { Connection, Ed25519PrivateKey, Libp2p } from '@libp2p/interface';
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht';
import type { KadDHTComponents } from '@libp2p/kad-dht';
import { ping } from '@libp2p/ping';
import type { Ping } from '@libp2p/ping';
import { createLibp2p } from 'libp2p';
import { adaptTransport, baseOptions, createEncryption } from '../../../src/testing.ts';
import { MemoryNetwork } from '../../memory-transport.ts';
import { createChance, shuffled } from '../../scenario/random.ts';

const TOPIC = 'floor';
const ROSTER_PROTOCOL = '/floor/roster/1';
const QUESTION = Buffer.from('who?');
/** What a node says of itself has about as many bytes. */
const TEXT_BYTES = 600;
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** The degrees of a node's topics, see `GOSSIP_MESH` of the network. */
const GOSSIP = { D: 3, Dlo: 2, Dhi: 4, Dscore: 2, Dout: 1, Dlazy: 1 } as const;
/** How long the last newcomer may take to be known by all. */
const PATIENCE_MS = 60_000;
const POLL_MS = 50;

/** What it cost. */
export interface FloorRow {
  readonly nodes: number;
  readonly links: number;
  /** CPU from the first start until all had heard of all, ms a host. */
  readonly joinCpuMs: number;
  /** CPU of making and starting a host, before any link, ms. */
  readonly aloneCpuMs: number;
  /** Share of all pairs that had heard of one another; less than one: it took too long. */
  readonly known: number;
}

/** Starts so many hosts one after the other, with `links` links in all, and measures them. */
export async function measureFloor(
  nodes: number,
  links: number,
  { vouches = true }: { readonly vouches?: boolean } = {},
): Promise<FloorRow> {
  const memory = new MemoryNetwork(undefined, { vouches });
  const hosts: BareHost[] = [];
  const since = process.cpuUsage();
  let aloneMs = 0;
  let linked = 0;
  try {
    for (let at = 0; at < nodes; at += 1) {
      const before = process.cpuUsage();
      const host = await BareHost.start(memory, at);
      aloneMs += cpuMs(before);
      const others = shuffled(hosts, createChance(at));
      // As many as are due of all links, so that those of the mesh come evenly.
      const due = Math.round((links * (at + 1)) / nodes) - linked;
      const dialled = others.slice(0, at === 0 ? 0 : Math.max(1, due));
      linked += dialled.length;
      hosts.push(host);
      for (const other of dialled) await host.link(other);
      const [first] = dialled;
      if (first !== undefined) await host.askRoster(first);
      await host.tell();
    }
    const deadline = performance.now() + PATIENCE_MS;
    while (knownOf(hosts) < 1 && performance.now() < deadline) await sleep(POLL_MS);
    const known = knownOf(hosts);
    return {
      nodes,
      links: linked,
      joinCpuMs: cpuMs(since) / nodes,
      aloneCpuMs: aloneMs / nodes,
      known,
    };
  } finally {
    await Promise.all(hosts.map((host) => host.stop()));
  }
}

function knownOf(hosts: readonly BareHost[]): number {
  const known = hosts.reduce((sum, host) => sum + host.knownCount, 0);
  return known / (hosts.length * Math.max(1, hosts.length - 1));
}

interface Services extends Record<string, unknown> {
  readonly ping: Ping;
  readonly pubsub: GossipSub;
}

/** One host, and whom it has heard of. */
class BareHost {
  readonly #node: Libp2p<Services>;
  readonly #events: KadDHTComponents['events'];
  readonly #key: Ed25519PrivateKey;
  /** What each host has said of itself by its key, this one included: key, filling, signature. */
  readonly #texts = new Map<string, Buffer>();

  private constructor(
    node: Libp2p<Services>,
    events: KadDHTComponents['events'],
    key: Ed25519PrivateKey,
  ) {
    this.#node = node;
    this.#events = events;
    this.#key = key;
  }

  static async start(memory: MemoryNetwork, at: number): Promise<BareHost> {
    const ip = `10.80.${Math.floor(at / 250)}.${(at % 250) + 1}`;
    const key = await generateKeyPair('Ed25519');
    let events: KadDHTComponents['events'] | undefined;
    const node = await createLibp2p<Services>({
      ...baseOptions(key, createEncryption()),
      addresses: { listen: [`/ip4/${ip}/tcp/4040`] },
      transports: [adaptTransport(memory.host(ip))],
      connectionMonitor: { enabled: false },
      services: {
        identify: (components: Pick<KadDHTComponents, 'events'>) => {
          ({ events } = components);
          return { [serviceCapabilities]: ['@libp2p/identify'] };
        },
        ping: ping(),
        dht: kadDHT({ clientMode: false, peerInfoMapper: passthroughMapper }),
        pubsub: gossipsub({ ...GOSSIP, allowPublishToZeroTopicPeers: true, emitSelf: false }),
      },
    });
    if (events === undefined) throw new Error('libp2p did not build its services');
    const host = new BareHost(node, events, key);
    await host.#listen();
    return host;
  }

  get knownCount(): number {
    return this.#texts.size - 1;
  }

  /** Links the two, and tells libp2p at both ends what identify would have asked for. */
  async link(other: BareHost): Promise<void> {
    const [address] = other.#node.getMultiaddrs();
    if (address === undefined) throw new Error('a host listens nowhere');
    const connection = await this.#node.dial(address);
    await this.#introduce(other, connection);
    const back = other.#node.getConnections(this.#node.peerId)[0];
    if (back !== undefined) await other.#introduce(this, back);
  }

  /** All whom `other` knows, each checked. */
  async askRoster(other: BareHost): Promise<void> {
    const stream = await this.#node.dialProtocol(other.#node.peerId, ROSTER_PROTOCOL);
    const chunks: Buffer[] = [];
    stream.addEventListener('message', ({ data }) => chunks.push(Buffer.from(data.subarray())));
    const isTold = new Promise<void>((resolve) => {
      stream.addEventListener('remoteCloseWrite', () => resolve(), { once: true });
    });
    stream.send(QUESTION);
    await isTold;
    await stream.close();
    const bytes = Buffer.concat(chunks);
    for (let at = 0; at < bytes.length; at += TEXT_BYTES) {
      this.#take(bytes.subarray(at, at + TEXT_BYTES));
    }
  }

  /** Tells all others that this host is there, as soon as those who are linked listen. */
  async tell(): Promise<void> {
    const { pubsub } = this.#node.services;
    const linked = this.#node.getPeers().length;
    const deadline = performance.now() + PATIENCE_MS;
    while (pubsub.getSubscribers(TOPIC).length < linked && performance.now() < deadline) {
      await sleep(1);
    }
    await pubsub.publish(TOPIC, this.#own);
  }

  async stop(): Promise<void> {
    await this.#node.stop();
  }

  get #own(): Buffer {
    return this.#texts.get(nameOf(this.#key.publicKey.raw)) ?? Buffer.alloc(0);
  }

  async #listen(): Promise<void> {
    const { raw } = this.#key.publicKey;
    const text = Buffer.concat([raw, Buffer.alloc(TEXT_BYTES - KEY_BYTES - SIGNATURE_BYTES)]);
    this.#texts.set(nameOf(raw), Buffer.concat([text, await this.#key.sign(text)]));
    const { pubsub } = this.#node.services;
    pubsub.addEventListener('message', ({ detail }) => this.#take(Buffer.from(detail.data)));
    pubsub.subscribe(TOPIC);
    await this.#node.handle(ROSTER_PROTOCOL, (stream) => {
      stream.addEventListener('message', () => {
        stream.send(Buffer.concat([...this.#texts.values()]));
        stream.close().catch((error: unknown) => stream.abort(new Error(String(error))));
      });
    });
  }

  #take(text: Buffer): void {
    const raw = text.subarray(0, KEY_BYTES);
    const name = nameOf(raw);
    if (this.#texts.has(name)) return;
    const [said, signature] = [text.subarray(0, -SIGNATURE_BYTES), text.subarray(-SIGNATURE_BYTES)];
    if (publicKeyFromRaw(raw).verify(said, signature) === true) this.#texts.set(name, text);
  }

  async #introduce(other: BareHost, connection: Connection): Promise<void> {
    const peerId = other.#node.peerId;
    const protocols = other.#node.getProtocols();
    await this.#node.peerStore.patch(peerId, {
      multiaddrs: other.#node.getMultiaddrs(),
      protocols,
    });
    const listenAddrs = other.#node.getMultiaddrs();
    this.#events.safeDispatchEvent('peer:identify', {
      detail: { peerId, protocols, listenAddrs, connection },
    });
  }
}

function nameOf(raw: Uint8Array): string {
  return Buffer.from(raw).toString('hex');
}

function cpuMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
