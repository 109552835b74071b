/**
 * Tells the operator of peers that do too much, and of strangers that keep knocking: as lasting troubles,
 * which end when the peer is calm again, and once in the audit log.
 */
import type { Audit } from '../audit/index.ts';
import { createScope } from '../core/index.ts';
import type { Clock, Health, PeerId, Scope, Startable } from '../core/index.ts';
import { didFromPeerId } from '../identity/index.ts';
import type { ConductReport, KnockingAddress, Network } from '../network/index.ts';
import { deedsOf, knocksOf } from './conduct-words.ts';
import type { Membership } from './types.ts';

/** Strangers are looked at so often; each look goes over the addresses that are known. */
const LOOK_MS = 2000;
/** From so many connections in vain, or turned away, on an address is told of. */
const FAILURES_TOLD = 6;
const TURNED_AWAY_TOLD = 50;
/** Relays bring members only: their addresses are no stranger's. */
const RELAY = /^relay /;
const LOOPBACK = /^(?:127\.|::1$)/;
const STRANGERS = 'strangers-knock';

/** What the telling works with. */
export interface TellConductComponents {
  readonly network: Pick<Network, 'events' | 'strangers'>;
  readonly membership: Pick<Membership, 'peer'>;
  readonly audit: Pick<Audit, 'note'>;
  readonly health: Pick<Health, 'raise' | 'clear'>;
  readonly clock: Clock;
}

/** The telling, between start and stop. */
export type ConductTeller = Startable;

/** Nothing was told of anybody yet. */
export function createConductTeller(components: TellConductComponents): ConductTeller {
  return new Teller(components);
}

class Teller implements ConductTeller {
  readonly #components: TellConductComponents;
  readonly #told = new Map<PeerId, ConductReport['state']>();
  #areStrangersTold = false;
  #scope: Scope | undefined;

  constructor(components: TellConductComponents) {
    this.#components = components;
  }

  async start(): Promise<void> {
    if (this.#scope !== undefined) return;
    const { clock, network } = this.#components;
    const scope = createScope(clock);
    this.#scope = scope;
    const behaves = (peer: PeerId, report: ConductReport | undefined): void =>
      this.#behaves(peer, report);
    network.events.on('peer:conduct', behaves);
    scope.add(() => network.events.off('peer:conduct', behaves));
    scope.every(LOOK_MS, () => this.#look());
  }

  async stop(): Promise<void> {
    this.#scope?.close();
    this.#scope = undefined;
  }

  #behaves(peer: PeerId, report: ConductReport | undefined): void {
    const { health } = this.#components;
    const code = `peer-conduct:${peer}`;
    if (report === undefined) {
      health.clear(code);
      if (this.#told.get(peer) === 'blocked') this.#note(peer, 'ok', 'it is let in again');
      this.#told.delete(peer);
      return;
    }
    const name = this.#components.membership.peer(peer)?.alias ?? peer;
    const deeds = deedsOf(report);
    if (report.state === 'blocked') {
      const until = new Date(report.until ?? 0).toISOString().slice(0, 19);
      health.raise({
        code,
        text: `peer ${name} ${deeds}; it is kept out until ${until}Z`,
        hint: `let it in before: starling peers forgive ${name}; put it out for good: starling peers remove ${name}`,
      });
    } else if (deeds !== '') {
      health.raise({
        code,
        ...(isKeptInFor(report)
          ? {
              text: `peer ${name} ${deeds}; what is over its allowance is taken later`,
              hint: `it is not kept out for that: its operator may need so many; if not, put it out: starling peers remove ${name}`,
            }
          : {
              text: `peer ${name} ${deeds}; what is over its allowance is not heeded`,
              hint: 'if it goes on, it is kept out for a while: starling peers',
            }),
      });
    } else {
      health.clear(code);
    }
    if (this.#told.get(peer) !== report.state) {
      const isBlocked = report.state === 'blocked';
      const how = isBlocked ? 'kept out' : 'held back';
      if (isBlocked || !this.#told.has(peer)) this.#note(peer, 'denied', `${how}: it ${deeds}`);
    }
    this.#told.set(peer, report.state);
  }

  #note(peer: PeerId, outcome: 'denied' | 'ok', reason: string): void {
    const what = { ability: 'mesh/connect', resource: `peer:${peer}` };
    this.#components.audit.note({ kind: 'mesh', who: didFromPeerId(peer), what, outcome, reason });
  }

  #look(): void {
    const { health, network } = this.#components;
    const knocking = network.strangers().filter(isTold);
    if (knocking.length === 0) {
      if (this.#areStrangersTold) health.clear(STRANGERS);
      this.#areStrangersTold = false;
      return;
    }
    this.#areStrangersTold = true;
    health.raise({
      code: STRANGERS,
      text: `somebody who is no member connects again and again, from ${knocksOf(knocking)}; such an address has to wait ever longer`,
      hint: knocking.every(({ address }) => LOOPBACK.test(address))
        ? 'another node of this machine does so while it looks for peers that are away, and then nothing is to be done; else some program here does: ss -tnp shows which'
        : 'members that are connected notice nothing; one that comes from the same address may have to try again; a firewall can shut the address out',
    });
  }
}

/** It does only what nobody is kept out for. */
function isKeptInFor({ counts }: ConductReport): boolean {
  return Object.keys(counts).every((what) => what === 'signs');
}

function isTold({ address, failures, turnedAway }: KnockingAddress): boolean {
  if (RELAY.test(address)) return false;
  return failures >= FAILURES_TOLD || turnedAway >= TURNED_AWAY_TOLD;
}
