/** A member that lies about others: it says of everybody whom it is asked about that it has just reached them. */
import { decode, encode } from 'cborg';
import { createMember } from './member.ts';
import type { Member, MemberInit } from './member.ts';
import { heartbeat } from './floods.ts';

/** What witnesses are asked and answer by; see `src/membership/detection/indirect-probe.ts`. */
const QUESTION = 'probe';
const ANSWER = 'probed';
const HEARTBEAT_MS = 5000;

/** A liar. */
export interface LyingWitness {
  readonly peerId: string;
  /** Questions that it has answered. */
  readonly lies: number;
  stop(): Promise<void>;
}

/** Joins, connects to `peers`, and lives as others do, but for its answers. */
export async function createLyingWitness(
  init: MemberInit & {
    readonly name: string;
    readonly listen: string;
    readonly heartbeatMs: number | undefined;
    readonly peers: readonly string[];
  },
): Promise<LyingWitness> {
  const member = await createMember(init);
  const { network } = member;
  let lies = 0;
  const stopHandling = network.onFrame(QUESTION, (bytes, from) => {
    lies += 1;
    const { id } = decode(bytes) as { readonly id: number };
    void network.sendFrame(from, ANSWER, encode({ id, connected: true }));
  });
  const topic = network.topic('heartbeat');
  let records = '';
  const stopHearing = topic.subscribe((bytes) => {
    // What others know, it says to know: nobody has anything to tell it.
    const heard = decode(bytes) as { readonly records?: unknown };
    if (typeof heard.records === 'string') ({ records } = heard as { readonly records: string });
  });
  const beat = (): void => beatOnce(member, { ...init, records }, topic);
  for (const address of init.peers) await member.connect(address).catch(() => undefined);
  beat();
  const timer = setInterval(beat, init.heartbeatMs ?? HEARTBEAT_MS);
  return {
    peerId: network.self,
    get lies() {
      return lies;
    },
    async stop() {
      clearInterval(timer);
      stopHandling();
      stopHearing();
      await member.stop();
    },
  };
}

function beatOnce(
  { network }: Member,
  init: { readonly name: string; readonly listen: string; readonly records: string },
  topic: ReturnType<Member['network']['topic']>,
): void {
  const bytes = heartbeat({
    name: init.name,
    addrs: [init.listen],
    load: 0,
    catalog: '',
    boards: {},
    records: init.records,
  });
  void topic.publish(bytes).catch(() => undefined);
  for (const peer of network.connected()) void network.sendFrame(peer, 'heartbeat', bytes);
}
