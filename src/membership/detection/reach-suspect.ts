/**
 * Tries to reach a suspect: directly, and through others that may still have a link to it, in the
 * manner of SWIM (Das et al., DSN 2002, §4.1). Says what came of it; `suspicion.ts` decides.
 */
import { messageOf, sleep, withDeadline } from '../../core/index.ts';
import type { Clock, Logger, PeerId, Random, Scope } from '../../core/index.ts';
import type { Network } from '../../network/index.ts';
import { accusersNeeded } from './accusations.ts';
import type { IndirectProbe } from './indirect-probe.ts';
import type { Evidence } from './suspicion.ts';

/**
 * Probes of one suspicion. A suspect is dead after
 * `PROBES · PROBE_TIMEOUT_MS + (PROBES - 1) · PROBE_PAUSE_MS` = 5 s of silence at the latest, where this node is well.
 * More = a network that fails for seconds kills nobody; and 3 s more until the dead are known.
 */
export const PROBES = 2;
/**
 * How long one probe may take: a dial and a ping, or a witness's answer. Ten round trips around the
 * earth; more = a loaded machine has time to answer, and the dead are known `PROBES` times that later. `1 + health`
 * times as long where this node has been slow itself (`local-health.ts`).
 */
const PROBE_TIMEOUT_MS = 2000;
/** Pause before the next probe, so that what failed for a moment is over. */
const PROBE_PAUSE_MS = 1000;
/**
 * Connected peers that are asked in each probe, chosen at random, those first that are neighbours of the suspect: others
 * seldom have a link to it, by which alone they can say anything. Of these, who has been asked less often comes first:
 * two that lie are both asked again only when all others were. If a share p of them can't reach the
 * suspect though it lives, all fail with p^WITNESSES. More = fewer false deaths where links fail, and
 * as many messages for each suspicion at each node: when one of n nodes dies, n · WITNESSES · PROBES.
 */
const WITNESSES = 3;
/** Sorts who is no neighbour of the suspect behind all that are: more than the probes of any suspicion. */
const BEHIND_NEIGHBOURS = 1e6;

/** What a suspect is probed with. */
export interface ReachSuspectComponents {
  readonly network: Pick<Network, 'connected' | 'dial' | 'ping'>;
  readonly indirectProbe: Pick<IndirectProbe, 'ask'>;
  /** The neighbours of a node among the peers that are there. */
  readonly neighbours: { of(node: PeerId): ReadonlySet<PeerId> };
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Witnesses that must say that they reach the suspect, so that a probe in vain counts less: it is dead only
 * when its silence lasts. One alone is believed only where there is no other. More = a few that lie or are
 * wrong keep nobody from being dead; less = where links fail, the living are more seldom thought dead.
 */
const VOUCHING = 2;

/** What came of a probe: see {@link Evidence}. */
type Probe = Omit<Extract<Evidence, { readonly kind: 'probed' }>, 'kind'>;

/** How a suspicion goes on. */
export interface SuspicionHandle {
  /** False once the suspicion has come to its end, whatever ended it, and nothing is in doubt. */
  isInDoubt(): boolean;
  /** How many times as long as usual a probe may take now. */
  patience(): number;
  /** Hears of each probe. */
  probed(probe: Probe): void;
}

/** Probes `peer` again and again for as long as it is in doubt and `scope` is open. */
export async function probeSuspect(
  components: ReachSuspectComponents,
  scope: Scope,
  peer: PeerId,
  suspicion: SuspicionHandle,
): Promise<void> {
  const asked = new Map<PeerId, number>();
  const said = new Map<PeerId, boolean>();
  for (let attempt = 1; !scope.closed && suspicion.isInDoubt(); attempt += 1) {
    const witnesses = pickWitnesses(components, peer, asked);
    for (const witness of witnesses) asked.set(witness, (asked.get(witness) ?? 0) + 1);
    const timeoutMs = PROBE_TIMEOUT_MS * suspicion.patience();
    const [isReached] = await Promise.all([
      reach(components, peer, timeoutMs),
      ...witnesses.map(async (witness) => {
        const reaching = await components.indirectProbe.ask(peer, [witness], timeoutMs);
        said.set(witness, reaching > 0);
      }),
    ]);
    if (scope.closed) return;
    const isVouched = isBelieved([...said.values()]);
    suspicion.probed({ isReached, isVouched, attempt });
    if (!suspicion.isInDoubt() || !(await sleep(scope, PROBE_PAUSE_MS))) return;
  }
}

/**
 * Whether enough of those who were asked in this suspicion say, by the last word of each, that they reach the suspect: of
 * the first three two, of more than those more than a third, this node counted among them.
 */
function isBelieved(words: readonly boolean[]): boolean {
  const vouching = words.filter(Boolean).length;
  const needed =
    words.length <= WITNESSES ? Math.min(VOUCHING, words.length) : accusersNeeded(words.length + 1);
  return vouching > 0 && vouching >= needed;
}

async function reach(
  { clock, network, logger }: ReachSuspectComponents,
  peer: PeerId,
  timeoutMs: number,
): Promise<boolean> {
  try {
    await withDeadline(clock, timeoutMs, async (signal) => {
      await network.dial(peer, { signal });
      await network.ping(peer, { signal });
    });
    return true;
  } catch (error) {
    logger.debug({ peer, error: messageOf(error) }, 'suspect not reached');
    return false;
  }
}

function pickWitnesses(
  { neighbours, network, random }: ReachSuspectComponents,
  suspect: PeerId,
  asked: ReadonlyMap<PeerId, number>,
): readonly PeerId[] {
  const near = neighbours.of(suspect);
  const orderOf = (peer: PeerId): number =>
    (near.has(peer) ? 0 : BEHIND_NEIGHBOURS) + (asked.get(peer) ?? 0) + random();
  return network
    .connected()
    .filter((peer) => peer !== suspect)
    .map((peer) => ({ peer, order: orderOf(peer) }))
    .sort((a, b) => a.order - b.order)
    .slice(0, WITNESSES)
    .map(({ peer }) => peer);
}
